"""The images of a study: fetched where they are missing, or procedural ones where a data set is not available."""

import json
import logging
import sys
from collections.abc import Sequence
from typing import Any

from repro.configs.plans import PLANS
from repro.configs.resolve import resolve
from repro.data.fetch import fetch
from repro.data.fetch.archives import OFFICIAL
from repro.errors import InputError
from repro.execution.resources import images_of
from repro.reproduce.study.cells import Cell

log = logging.getLogger("repro.reproduce")


def fetch_missing(study: Sequence[Cell]) -> None:
    """Download, unpack and decode what the cells of a study need and is not there yet, without asking.

    What cannot be had is told now, in one line; its cells fail, and the others run.
    """
    for config in {json.dumps(cell.config["data"], sort_keys=True): cell.config for cell in study}.values():
        data = config["data"]
        try:
            try:
                images_of(config)  # found where they lie, in whatever layout
            except InputError:
                if data["name"] not in OFFICIAL:
                    raise
                fetch(data["name"], yes=True)
                images_of(config)
        except InputError as error:
            log.error("cells on %s (%s split) cannot run: %s", data["name"], data["split"], error)


def stand_ins(scale: str, fallback: str, updates: dict[str, Any]) -> dict[str, str]:
    """Return data set -> `fallback` for each data set of a plan that cannot be had, and say so loudly.

    Args:
        scale: a key of `PLANS`.
        fallback: the named config of procedural images.
        updates: dotted key -> value, for every cell.
    """
    found = {}
    for images in PLANS[scale].datasets:
        try:
            images_of(resolve([images.named, scale], {**images.updates, **updates}))
        except InputError as error:
            found[images.named] = fallback
            print(
                f"NOTICE: {images.named} is not available, so {fallback.upper()} IMAGES STAND IN FOR IT; "
                f"every caption says so.\n        ({error})",
                file=sys.stderr,
            )
    return found
