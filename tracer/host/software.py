"""What is installed: bcc, libseccomp, the C library's headers."""

from __future__ import annotations

import ctypes
import importlib.util
import platform
import sys
from importlib import metadata
from pathlib import Path

from tracer.host.packages import install
from tracer.host.places import is_file, is_folder
from tracer.host.records import Check

_SYSTEM_BCC = "/usr/lib/python3/dist-packages/bcc"
_HEADERS = ("linux/bpf.h", "asm/ptrace.h", "linux/seccomp.h")


def checks() -> list[Check]:
    """Python, bcc, the libraries it needs, headers of user space."""
    return [_python(), _bcc(), _libseccomp(), _libbpf(), _headers()]


def _python() -> Check:
    return Check("python", True, "info", f"{platform.python_version()}, {sys.executable}")


def _bcc() -> Check:
    """Looks without importing: importing bcc loads clang, and PyPI's could do anything."""
    spec = importlib.util.find_spec("bcc")
    folders = list(spec.submodule_search_locations or []) if spec else []
    if spec is None:
        return _no_bcc()
    if not any(is_file(Path(folder, "libbcc.py")) for folder in folders):
        where = spec.origin or ", ".join(folders)
        remedy = f"{sys.executable} -m pip uninstall bcc, then {_install_bcc()}"
        found = f"{where} is PyPI's unrelated package of the same name"
        return Check("bcc", False, "wanted", found, remedy)
    try:
        version = metadata.version("bcc")
    except metadata.PackageNotFoundError:
        version = "of unknown version"
    return Check("bcc", True, "wanted", f"{version}, {folders[0]}")


def _no_bcc() -> Check:
    if is_folder(Path(_SYSTEM_BCC)):
        found = f"{sys.executable} does not see {_SYSTEM_BCC}"
        remedy = (
            "make the virtual environment by /usr/bin/python3 -m venv --system-site-packages,"
            " as `make setup` does"
        )
        return Check("bcc", False, "wanted", found, remedy)
    return Check("bcc", False, "wanted", "not installed", _install_bcc())


def _install_bcc() -> str:
    return install("python3-bpfcc", "python3-bcc")


def _libseccomp() -> Check:
    class Version(ctypes.Structure):
        _fields_ = [(name, ctypes.c_uint) for name in ("major", "minor", "micro")]

    try:
        library = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        remedy = install("libseccomp2", "libseccomp")
        return Check("libseccomp", False, "wanted", "libseccomp.so.2 is missing", remedy)
    library.seccomp_version.restype = ctypes.POINTER(Version)
    found = library.seccomp_version().contents
    level = library.seccomp_api_get()
    text = f"{found.major}.{found.minor}.{found.micro}, API level {level}"
    return Check("libseccomp", True, "wanted", text)


def _libbpf() -> Check:
    """The system's own loads the program; bcc, which compiles it, brings another."""
    try:
        library = ctypes.CDLL("libbpf.so.1")
        library.libbpf_version_string.restype = ctypes.c_char_p
        found = library.libbpf_version_string().decode("ascii", "replace")
    except (OSError, AttributeError):
        remedy = install("libbpf1", "libbpf")
        return Check("libbpf", False, "wanted", "libbpf.so.1 is missing", remedy)
    return Check("libbpf", True, "wanted", found)


def _headers() -> Check:
    """The C library's copy of the kernel's user-space interface; never the kernel's own."""
    roots = (Path("/usr/include"), Path(f"/usr/include/{platform.machine()}-linux-gnu"))
    missing = [name for name in _HEADERS if not any(is_file(root / name) for root in roots)]
    if missing:
        found = f"{', '.join(missing)} missing in /usr/include"
        # On Fedora glibc-devel brings them.
        remedy = install("linux-libc-dev", "glibc-devel")
        return Check("C headers", False, "wanted", found, remedy)
    return Check("C headers", True, "wanted", "/usr/include/linux (the C library's)")
