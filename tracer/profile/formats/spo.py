"""SeccompProfile of the Kubernetes security-profiles-operator: OCI's table in YAML.

Its ``errnoRet`` is a text, and it has no ``defaultErrnoRet``. PyYAML reads it; it is an extra.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from tracer.errors import ProfileError
from tracer.profile.formats import oci
from tracer.profile.formats.interface import Context, Format, Source, text

if TYPE_CHECKING:
    from types import ModuleType

    from tracer.profile.formats.policy import Policy, Remarks

_KIND = "SeccompProfile"
_VERSION = "security-profiles-operator.x-k8s.io/v1beta1"
_OWN = ("baseProfileName", "disabled")


def write(source: Source, remarks: Remarks) -> bytes:
    """The resource. It is JSON, which is YAML too."""
    policy = source.policy
    table = oci.seccomp(policy, remarks)
    if table.pop("defaultErrnoRet", 1) != 1:
        remarks.loss(
            f"default_action {policy.default} cannot be said: the operator has no defaultErrnoRet, "
            "so it is errno:EPERM"
        )
    for entry in table["syscalls"]:
        if "errnoRet" in entry:
            entry["errnoRet"] = str(entry["errnoRet"])
    name = re.sub(r"[^a-z0-9-]+", "-", policy.name.lower()).strip("-")
    resource = {
        "apiVersion": _VERSION,
        "kind": _KIND,
        "metadata": {"name": name},
        "spec": table,
    }
    return (json.dumps(resource, indent=2) + "\n").encode()


def read(data: bytes, context: Context, remarks: Remarks) -> Policy:
    """The policy of a resource."""
    resource = _parsed(text(data, context), context)
    if not isinstance(resource, dict) or resource.get("kind") != _KIND:
        context.fail("kind", f"is not {_KIND}; a resource of another kind is no profile")
    spec = resource.get("spec")
    if not isinstance(spec, dict):
        context.fail("spec", "is missing: it holds defaultAction and syscalls")
    if spec.get("baseProfileName"):
        remarks.loss(
            f"{context.path}: spec.baseProfileName: what {spec['baseProfileName']} allows is not "
            "taken over: it is in the cluster"
        )
    table = {key: value for key, value in spec.items() if key not in _OWN}
    entries = table.get("syscalls")
    if isinstance(entries, list):
        table["syscalls"] = [_entry(each, at, context) for at, each in enumerate(entries)]
    metadata = resource.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    found = oci.policy(table, oci.Place("spec", context), remarks)
    return found._replace(name=name) if isinstance(name, str) else found


def _entry(entry: object, at: int, context: Context) -> object:
    """With the error as a number, as the runtime is given it."""
    if not isinstance(entry, dict) or "errnoRet" not in entry:
        return entry
    value = entry["errnoRet"]
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,5}", value):
        context.fail(
            f"spec.syscalls[{at}].errnoRet", f'"{value}" is no number in quotes; write "13"'
        )
    return {**entry, "errnoRet": int(value) if isinstance(value, str) else value}


def _parsed(content: str, context: Context) -> object:
    try:
        return json.loads(content)
    except ValueError:
        pass
    except RecursionError:
        context.fail(None, "not a resource: nested too deep")
    yaml = _yaml(context)
    try:
        return yaml.safe_load(content)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        why = getattr(error, "problem", None) or "not understood"
        context.fail(mark.line + 1 if mark else None, f"not valid YAML: {why}; mend it there")
    except RecursionError:
        context.fail(None, "not a resource: nested too deep")


def _yaml(context: Context) -> ModuleType:
    try:
        import yaml
    except ImportError:
        raise ProfileError(
            f"{context.path}: YAML is read by PyYAML, which is not installed: "
            "pip install 'sbtrace[yaml]', or give the file as JSON"
        ) from None
    found: ModuleType = yaml
    return found


def _looks_like(_path: str, data: bytes) -> bool:
    return _KIND.encode() in data


FORMAT = Format("spo", "SeccompProfile of the Kubernetes operator", write, read, _looks_like)
