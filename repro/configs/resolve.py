"""From named configs and single updates to one checked config."""

import copy
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from repro.configs import BASE, DATASETS, METHODS, NAMED, SCALES, Setting
from repro.configs.recipes import recipe
from repro.errors import LARGEST, InputError, did_you_mean


def settings(tree: Mapping[str, Any] = BASE, prefix: str = "") -> Iterator[tuple[str, Setting]]:
    """Yield (dotted key, setting) for every setting below `tree`, in order."""
    for key, node in tree.items():
        if isinstance(node, Setting):
            yield prefix + key, node
        else:
            yield from settings(node, f"{prefix}{key}.")


def defaults() -> dict[str, Any]:
    """Return the base config: nested plain values."""
    config: dict[str, Any] = {}
    for key, setting in settings():
        put(config, key, copy.deepcopy(setting.value))
    return config


def resolve(named: Iterable[str] = (), updates: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the checked config of `with NAMED... key=value...`; updates win over names.

    A method at a scale for which recipes were chosen gets its own (`recipes.recipe`), unless updates say otherwise.

    Args:
        named: names of named configs.
        updates: dotted key -> value.

    Raises:
        InputError: an unknown name or key, a value of the wrong type or out of range.
    """
    config, named = defaults(), list(named)
    for table in (METHODS, DATASETS, SCALES):
        same = [name for name in named if name in table]
        if len(same) > 1:
            raise InputError(f"{' and '.join(same)} exclude each other: a run has one method, one data set, one scale")
    for name in named:
        check_name(name)
        for key, value in flat(NAMED[name].values):
            put(config, key, copy.deepcopy(value))
    for key, value in recipe(named).items():
        put(config, key, copy.deepcopy(value))
    for key, value in (updates or {}).items():
        put(config, key, value)
    check(config)
    return _canonical(config)


def check_name(name: str) -> None:
    """Raise InputError unless one named config has this name, and stores its runs under it if it is a method."""
    tables = [table for table in (METHODS, DATASETS, SCALES) if name in table]
    if len(tables) > 1:
        raise InputError(f"repro/configs: two named configs are called '{name}'; rename one")
    stored_as = METHODS[name].values.get("method", {}).get("name") if name in METHODS else name
    if stored_as != name:
        raise InputError(
            f"repro/configs/methods.py: the config '{name}' has method.name={stored_as}; set it to '{name}', or its "
            "runs would be stored as another method's"
        )
    if name not in NAMED:
        hint = did_you_mean(name, NAMED)
        raise InputError(f"no named config '{name}'.{hint} Known: {', '.join(NAMED)}")


def check(config: Mapping[str, Any]) -> None:
    """Raise InputError for the first key that is unknown or missing, or value that is not allowed."""
    known = dict(settings())
    given = dict(flat(config))
    for key in given:
        if key not in known:
            # A value where a group of settings belongs, or a key that no setting has.
            inside = [k for k in known if k.startswith(key + ".")]
            hint = f" It is a group: set {', '.join(inside)}." if inside else did_you_mean(key, known)
            raise InputError(f"no setting '{key}'.{hint} `python -m repro.run print_config` lists them all")
    for key, setting in known.items():
        if key not in given:
            raise InputError(f"the setting '{key}' is missing; it was replaced by something else")
        _check_value(key, given[key], setting)


def plain(config: Any) -> Any:
    """Return `config` as plain JSON types (Sacred hands out read-only containers), fit for hashing."""
    return json.loads(json.dumps(config))


def flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted key, value) for every leaf of a nested mapping."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def put(tree: dict[str, Any], key: str, value: Any) -> None:
    """Set the dotted `key` of a nested dict to `value`, making the groups on the way."""
    *groups, last = key.split(".")
    for group in groups:
        branch = tree.setdefault(group, {})
        if not isinstance(branch, dict):
            raise InputError(f"no setting '{key}': '{group}' is a single value")
        tree = branch
    tree[last] = value


def _canonical(config: dict[str, Any]) -> dict[str, Any]:
    """Return the config in plain JSON types, with 1 written as 1.0 where a number is meant: one config, one hash."""
    config = plain(config)
    values = dict(flat(config))
    for key, setting in settings():
        if values[key] is None:
            continue
        if isinstance(setting.value, float) or setting.kind is float:
            put(config, key, float(values[key]))
        elif isinstance(setting.value, list) and isinstance(setting.value[0], float):
            put(config, key, [float(element) for element in values[key]])
    return config


def _check_value(key: str, value: Any, setting: Setting) -> None:
    if value is None and setting.optional:
        return
    many = isinstance(setting.value, list) or (setting.several and isinstance(value, list | tuple))
    if many and isinstance(value, str) and value.startswith("["):
        raise InputError(f'{key}={value}: the shell took the quotes; type it as "{key}={setting.value}"')
    if many and (not isinstance(value, list | tuple) or not value):
        raise InputError(f"{key}={value!r} must be a list of one or more, such as {setting.value}")
    if many and setting.length is not None and len(value) != setting.length:
        raise InputError(f"{key}={value!r} must have {setting.length} elements, such as {setting.value}")
    example = setting.value[0] if isinstance(setting.value, list) else setting.value
    kind = setting.kind or type(example)
    for element in value if many else [value]:
        if not _is_a(element, kind):
            such = "" if setting.value is None else f", such as {setting.value!r}"
            raise InputError(f"{key}={value!r} must be {_names(kind)}{such}")
        if isinstance(element, int) and abs(element) >= LARGEST:
            raise InputError(f"{key}={element} is more than a run database can hold; take a smaller number")
        if isinstance(element, str) and not element.isprintable():
            raise InputError(f"{key}={element!r} has characters that cannot be printed; take them out")
        if setting.choices and element not in setting.choices:
            allowed = ", ".join(map(str, setting.choices))
            raise InputError(
                f"{key}={element!r} is not one of: {allowed}.{did_you_mean(str(element), allowed.split(', '))}"
            )
        if not _in_range(element, setting):
            raise InputError(f"{key}={element!r} must {_range(setting)}")


def _in_range(value: float, setting: Setting) -> bool:
    above = value > 0 if setting.positive else setting.low is None or value >= setting.low
    return above and (setting.high is None or value <= setting.high)


def _is_a(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _names(kind: type) -> str:
    return {int: "a whole number", float: "a number", str: "text", bool: "True or False"}[kind]


def _range(setting: Setting) -> str:
    low = "above 0" if setting.positive else f"at least {setting.low:g}"
    return f"be {low}" if setting.high is None else f"be {low} and at most {setting.high:g}"
