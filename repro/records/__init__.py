"""Stored runs: listed, shown, compared, as one table, watched, deleted. Each verb of `repro.db` is one file here.

A verb's file has `add(verbs)`, which adds it to the command line, and `run(database, options)`, which does it.
"""

from repro.records import comparison, deletion, extraction, listing, showing, table, watching

VERBS = {
    "list": listing,
    "show": showing,
    "diff": comparison,
    "table": table,
    "features": extraction,
    "watch": watching,
    "delete": deletion,
}
"""By the word on the command line."""
