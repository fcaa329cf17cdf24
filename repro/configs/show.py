"""A config for people to read: every value with where it comes from and what it means."""

from collections.abc import Iterator, Mapping
from typing import Any

from repro.configs.resolve import flat, settings


def lines(config: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line per setting: value, source, meaning; a star marks what differs from the default."""
    values = dict(flat(config))
    rows = [(key, repr(values[key]), s, values[key] != s.value) for key, s in settings()]
    width = max(len(key) + len(value) for key, value, _, _ in rows) + 3
    for key, value, setting, changed in rows:
        # A value that was changed no longer comes from where the default does.
        source = "[set]" if changed else setting.source
        yield f"{'*' if changed else ' '} {f'{key} = {value}':{width}}  {source:8} {setting.help}"


def markdown() -> str:
    """Return the table of every setting whose value the paper's abstract does not give: our defaults."""
    head = "| setting | default | source | what it is |\n|---|---|---|---|\n"
    rows = (f"| `{key}` | `{s.value}` | {s.source} | {s.help} |\n" for key, s in settings() if s.source != "[A]")
    return head + "".join(rows)
