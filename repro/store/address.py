"""Which run database the environment names."""

import os
from pathlib import Path

from repro.errors import InputError

URI = "REPRO_MONGO_URI"
FILE = "REPRO_MONGO_URI_FILE"
"""A file that holds the address: a container is told its place, and no password stands in an environment."""

VARIABLES = (URI, FILE)


def naming() -> str:
    """Return the variable that names the run database: what a person has to correct."""
    return FILE if os.environ.get(FILE) else URI


def named_address() -> str | None:
    """Return the address of the run database, password included; None: nobody names one, so it is an embedded server.

    Raises:
        InputError: it is given twice, or its file cannot be read or is empty. Nothing of its content is shown.
    """
    uri, file = os.environ.get(URI), os.environ.get(FILE)
    if not file:
        return uri or None
    if uri:
        raise InputError(f"{URI} and {FILE} are both set, and could differ; unset one of them")
    try:
        content = Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise InputError(
            f"{FILE}: cannot read {file}: {reason}. Name a file that holds the address, or unset it"
        ) from None
    if not content:
        raise InputError(f"{FILE}: {file} is empty; it should hold mongodb://user:password@host/repro")
    return content
