"""Published weights in the library's own cache: found there, or downloaded into it."""

import hashlib
import logging
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from torch import hub

from repro.errors import InputError

log = logging.getLogger("repro.pretrain")


@dataclass(frozen=True)
class Wanted:
    """Published weights.

    Args:
        library: whose they are.
        url: where they are published.
        file: where they are kept on this machine.
    """

    library: str
    url: str
    file: Path


def in_cache(wanted: Wanted) -> Path:
    """Return the file with published weights; downloaded if it is not there yet.

    Where its name ends in a hash, its content is held to that, also where it was put there by hand.

    Raises:
        InputError: it cannot be downloaded, or is not what it should be.
    """
    file = wanted.file
    if not file.exists():
        _download(wanted)
    for prefix in re.findall(r"-([0-9a-f]{8,})\.", file.name):
        digest = sha256(file)
        if not digest.startswith(prefix):
            raise InputError(
                f"{file} is not {wanted.library}'s: its SHA-256 begins with {digest[:8]}, not {prefix}; delete it"
            )
    return file


def sha256(file: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _download(wanted: Wanted) -> None:
    log.info("downloading %s", wanted.url)
    try:
        wanted.file.parent.mkdir(parents=True, exist_ok=True)
        hub.download_url_to_file(wanted.url, str(wanted.file), progress=sys.stderr.isatty())
    except OSError as error:  # URLError is one
        reason = getattr(error, "reason", error)
        raise InputError(
            f"{wanted.url} cannot be downloaded ({reason}); download it elsewhere and put it at {wanted.file}, point "
            "TORCH_HOME to a folder of your own, or give another file: encoder.weights=FILE"
        ) from None
