"""What a profile says together with what it extends: the nearer layer comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tracer.profile import cubes
from tracer.profile.conditions import exact
from tracer.profile.records import Rule, Skipped, conditional, narrowest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class OfLayer(NamedTuple):
    """The rules of one profile, and what it leaves out."""

    rules: tuple[Rule, ...]
    skipped: tuple[Skipped, ...]


class Merged(NamedTuple):
    """The rules of all layers, as a Profile has them."""

    rules: tuple[Rule, ...]
    unconditional: dict[str, Rule]
    conditional: dict[str, tuple[Rule, ...]]
    skipped: tuple[Skipped, ...]


def merge(layers: Sequence[OfLayer], abis: Sequence[str]) -> Merged:
    """All layers, the nearest first. A list entry of a layer decides about its call before all that
    is further; a ``[[rule]]`` does where its conditions hold.
    """
    rules = layers[0].rules
    unconditional = narrowest(rules)
    by_arguments = conditional(rules)
    for layer in layers[1:]:
        further = {
            name: found
            for name, found in conditional(layer.rules).items()
            if name not in unconditional
        }
        for name, found in further.items():
            by_arguments[name] = _beside(by_arguments.get(name, ()), found, abis)
        rules += layer.rules
        unconditional = narrowest(layer.rules) | unconditional
    if len(layers) > 1:
        by_arguments = _all_exact(by_arguments, unconditional, abis)
    return Merged(rules, unconditional, by_arguments, layers[0].skipped)


def _all_exact(
    found: dict[str, tuple[Rule, ...]], lists: dict[str, Rule], abis: Sequence[str]
) -> dict[str, tuple[Rule, ...]]:
    """With equalities also where entries of two layers stand beside each other."""
    return {
        name: tuple(exact([*rules, lists[name]], abis)[:-1])
        if name in lists
        else tuple(exact(rules, abis))
        for name, rules in found.items()
    }


def _beside(
    nearer: tuple[Rule, ...], further: Iterable[Rule], abis: Sequence[str]
) -> tuple[Rule, ...]:
    """The nearer rules, and what they leave of the further ones: no call that both are about."""
    if not nearer:
        return tuple(further)
    both = exact([*nearer, *further], abis)
    paths = {rule.path for rule in nearer}
    own = [rule for rule in both if rule.path in paths]
    found = list(own)
    for rule in both:
        if rule not in own:
            found += _left(rule, [other for other in own if other.action != rule.action])
    return tuple(found)


def _left(rule: Rule, others: Iterable[Rule]) -> list[Rule]:
    whole = _box(rule)
    taken = [box for other in others if (box := _box(other)) is not None]
    if whole is None or not any(cubes.share(whole, box) for box in taken):
        return [rule]
    left = cubes.without([whole], taken, None)
    return [rule._replace(conditions=cubes.of_box(box), written=rule.holds_if) for box in left]


def _box(rule: Rule) -> cubes.Box | None:
    """The calls that a rule is about; None where it does not consist of equalities."""
    is_exact = all(condition.op == "==" for condition in rule.conditions)
    return cubes.box_of(rule.conditions) if is_exact else None
