"""A config for people to read: every value with where it comes from and what it means."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from repro.configs import DATASETS, METHODS, SCALES, WITHOUT_PRETRAINING
from repro.configs.resolve import defaults, flat, put, settings
from repro.configs.setting import Setting

SET = "[set]"
"""The mark of a value that is not the default: a named config or the user set it."""


def lines(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line per setting: value, source, meaning; a star marks what differs from the default."""
    values = dict(flat(config))
    rows = [(key, repr(values[key]), s, source_of(values[key], s)) for key, s in settings()]
    width = max(len(key) + len(value) for key, value, _, _ in rows) + 3
    for key, value, setting, source in rows:
        yield f"{'*' if source == SET else ' '} {f'{key} = {value}':{width}}  {source:8} {setting.help}"


def sources(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return where every value comes from, as the lines say it: marks, nested as the config is."""
    values, marks = dict(flat(config)), dict[str, Any]()
    for key, setting in settings():
        put(marks, key, source_of(values[key], setting))
    return marks


def changed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that are not the default, nested as the config is."""
    values, found = dict(flat(config)), dict[str, Any]()
    for key, setting in settings():
        if source_of(values[key], setting) == SET:
            put(found, key, values[key])
    return found


def source_of(value: Any, setting: Setting) -> str:
    """Return the source mark of a setting's value; one that was changed no longer comes from where the default does."""
    return setting.source if value == setting.value else SET


def in_short(config: Mapping[str, Any], named: Iterable[str]) -> str:
    """Return what will run in one line: method, images, seed and length, and which of these nobody chose.

    Args:
        config: the resolved config.
        named: the named configs in it.
    """
    data, epochs, default = config["data"], config["pretrain"]["epochs"], dict(flat(defaults()))
    pretrains = config["method"]["objective"] not in WITHOUT_PRETRAINING
    length = f"{epochs} epoch{'s' if epochs > 1 else ''} of pretraining" if pretrains else "no pretraining"
    chosen = set(named)
    unchosen = [
        f"{what} {value}"
        for what, table, value, usual in (
            ("method", METHODS, config["method"]["name"], default["method.name"]),
            ("data set", DATASETS, data["name"], default["data.name"]),
            ("scale", SCALES, config["scale"], default["scale"]),
        )
        if not chosen & set(table) and value == usual
    ]
    more = f"; not named, so the default: {', '.join(unchosen)}" if unchosen else ""
    images = f"{data['name']} ({data['size']} px, {data['split']} split)"
    return f"{config['method']['name']} on {images}, seed {config['seed']}: {length}{more}"


def markdown() -> str:
    """Return the table of every setting, as Markdown: its default, where that comes from, and what it is."""
    head = "| setting | default | source | what it is |\n|---|---|---|---|\n"
    rows = (f"| `{key}` | `{s.value}` | {s.source} | {s.help} |\n" for key, s in settings())
    return head + "".join(rows)
