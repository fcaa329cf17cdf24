"""From the files of a listing to an `ImageSet` whose images are one memory-mapped array on disk."""

import hashlib
import logging
import os
import shutil
from pathlib import Path
from stat import S_ISREG
from typing import IO, Any

import numpy as np
import PIL

from repro.data.imageset import ImageSet, sha256_of_sums
from repro.data.layout import nearby
from repro.data.listing import Listing
from repro.data.prepare.cache import CacheEntry, Wanted
from repro.data.prepare.chunks import IMAGES, RECORD, Decoded, Files, begin_array, decode_files
from repro.data.prepare.decode import DECODING
from repro.data.prepare.depth import FULL, grey_range
from repro.errors import InputError

log = logging.getLogger("repro.data")

NAMED_AT_MOST = 10
"""Corrupt files that a message names; a text file names them all."""


def prepared(
    listing: Listing,
    size: int,
    folder: Path,
    allow_missing: bool = False,
    allow_corrupt: int = 0,
    grey: tuple[float | None, float | None] = (None, None),
) -> ImageSet:
    """Return the images of a listing, square and of one size, in its order.

    The first call decodes them into `folder/NAME-SIZE`; later ones find them there, as long as no file's name, size
    or time of change is another. A call that was interrupted, even by a power failure, is continued by the next one,
    to the same bytes. Two processes at once share one work.

    Args:
        listing: the files and what is known of them.
        size: height and width in pixels.
        folder: where prepared arrays are kept; made if need be.
        allow_missing: go on without files that are not there; `manifest["missing"]` then counts them.
        allow_corrupt: go on without so many files that hold no usable image; `manifest["corrupt"]` then names them.
        grey: which values of files of more than 8 bits become black and white; None where the files tell
            (`depth.grey_range`). `manifest["grey"]` has what was taken, if there are such files.

    Returns:
        The images present, mapped from disk for reading, with their stored hash.

    Raises:
        InputError: files are missing or corrupt and this is not allowed, none is left, or the folder cannot be
            written, or is full. What is finished by then is kept for the next call.
    """
    present, files = _present(listing, allow_missing)
    missing = _missing(listing, present)
    columns: dict[str, list[Any]] = {
        "name": list(files.names),
        "bytes": list(files.sizes),
        "mtime_ns": list(files.mtimes),
    }
    wanted = Wanted(listing.name, size, listing.channels, DECODING, columns, grey)
    place = CacheEntry(folder, f"{listing.name}-{size}")
    try:
        manifest, _ = place.found(wanted)
        if manifest is None:
            with place.turn() as lock:
                manifest, misfit = place.found(wanted)  # another process may have made it meanwhile
                if manifest is None:
                    if misfit:
                        log.warning("%s: %s; preparing it again", place.ready, misfit)
                    manifest = _built(wanted, files, missing, place, allow_corrupt, lock)
        _accept(manifest["corrupt"], files, allow_corrupt, place)
        images = np.load(place.ready / IMAGES, mmap_mode="r")
    except OSError as error:
        raise InputError(
            f"cannot prepare {place.name} in {folder}: {error.strerror or error}. Make room there, or point REPRO_RUNS "
            f"to a folder of your own with {wanted.nbytes / 1e9:.2g} GB to spare; what is done so far is kept"
        ) from None
    rows = np.delete(np.arange(len(files)), [each["row"] for each in manifest["corrupt"]])
    kept = np.flatnonzero(present)[rows]
    more = {key: manifest[key] for key in ("inputs_sha256", "decoding")}
    found = (("missing", missing), ("corrupt", manifest["corrupt"]), ("grey", manifest["grey"]))
    more |= {key: value for key, value in found if value}
    return ImageSet(
        name=listing.name,
        images=images,
        labels=listing.labels[kept],
        split=listing.split[kept],
        class_names=listing.class_names,
        groups=None if listing.groups is None else listing.groups[kept],
        names=tuple(files.names[row] for row in rows.tolist()),
        manifest={**listing.manifest, **more},
        stored_sha256=manifest["images_sha256"],
    )


def _present(listing: Listing, allow_missing: bool) -> tuple[np.ndarray, Files]:
    """Return which files are there, bool `[N]`, and those files."""
    files = listing.files
    stats = [_stat(path) for path in files]
    present = np.array([stat is not None for stat in stats], dtype=bool)
    absent = len(stats) - int(present.sum())
    if absent and (absent == len(stats) or not allow_missing):
        first = listing.names[int(present.argmin())]
        none = absent == len(stats)
        advice = nearby(listing.folder) if none else ", or set data.allow_missing=True to go on without them"
        raise InputError(
            f"{listing.name}: {absent:,} of {len(stats):,} images are missing, {first} the first; looked in "
            f"{listing.folder}. {'Correct or take out their rows' if listing.home else 'Get them'}{advice}"
        )
    if not stats:
        raise InputError(f"{listing.name}: its tables name no image")
    there = [(files[row], listing.names[row], stat) for row, stat in enumerate(stats) if stat is not None]
    paths, names, found = zip(*there, strict=True)
    sizes, mtimes = [stat.st_size for stat in found], [stat.st_mtime_ns for stat in found]
    return present, Files(str(listing.folder), paths, names, sizes, mtimes)


def _stat(path: str) -> os.stat_result | None:
    try:
        stat = os.stat(path)  # noqa: PTH116  (no class Path: see Listing)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:  # a name too long, a folder that may not be read
        raise InputError(f"{path} cannot be looked at: {error.strerror}") from None
    return stat if S_ISREG(stat.st_mode) else None


def _missing(listing: Listing, present: np.ndarray) -> dict[str, Any]:
    """Return how many images are missing, and per class how many there are of how many; empty if none is."""
    if present.all():
        return {}

    def counts(labels: np.ndarray) -> list[int]:
        if labels.ndim == 2:
            return [int(count) for count in labels.sum(axis=0)]
        return [int(count) for count in np.bincount(labels, minlength=len(listing.class_names))]

    return {
        "total": int((~present).sum()),
        "of": len(present),
        "present_per_class": counts(listing.labels[present]),
        "of_per_class": counts(listing.labels),
    }


def _built(
    wanted: Wanted, files: Files, missing: dict[str, Any], place: CacheEntry, allow_corrupt: int, lock: IO
) -> dict[str, Any]:
    """Decode the files, or those that an interrupted call left, and return the manifest of what is then ready."""
    place.partial.mkdir(exist_ok=True)
    array = place.partial / IMAGES
    written = array.stat().st_blocks * 512 if array.exists() else 0
    if shutil.disk_usage(place.partial).free + written < wanted.nbytes:
        raise OSError("too little space left")
    result = decode_files(files, wanted.size, wanted.channels, place.partial, lock, *wanted.grey)
    grey = grey_range(wanted.name, result.deep, wanted.grey) if result.deep else {}
    ends = grey.get("black"), grey.get("white")
    if grey and ends not in (FULL, wanted.grey):
        log.info("%s: grey values %.0f to %.0f become black to white", wanted.name, *ends)
        result = decode_files(
            files, wanted.size, wanted.channels, place.partial, lock, *ends, wanted.grey != (None, None)
        )
    corrupt = [{"row": row, "file": files.names[row], "reason": why} for row, why in result.undecodable.items()]
    _accept(corrupt, files, allow_corrupt, place)
    manifest = {
        "name": wanted.name,
        "size": wanted.size,
        "channels": wanted.channels,
        "decoding": wanted.decoding,
        "pillow": PIL.__version__,
        "inputs_sha256": _inputs_sha256(result, files),
        "images_sha256": sha256_of_sums(wanted.shape()[1:], [bytes.fromhex(sha) for sha in result.images if sha]),
        "missing": missing,
        "corrupt": corrupt,
        "asked_grey": wanted.grey,
        "grey": grey,
        "files": {**wanted.files, "sha256": result.files},
    }
    if corrupt:
        _take_out(set(result.undecodable), place.partial)
    place.publish(manifest)
    return manifest


def _take_out(gone: set[int], partial: Path) -> None:
    """Take rows out of the array."""
    images, shorter = np.load(partial / IMAGES, mmap_mode="r"), partial / "kept.npy"
    with shorter.open("wb") as rest:
        begin_array(rest, (len(images) - len(gone), *images.shape[1:]))
        for row in range(len(images)):
            if row not in gone:
                rest.write(images[row].tobytes())
        rest.flush()
        os.fsync(rest.fileno())
    (partial / RECORD).unlink()  # the rows that it tells of are about to move
    shorter.replace(partial / IMAGES)


def _accept(corrupt: list[dict[str, Any]], files: Files, allowed: int, place: CacheEntry) -> None:
    """Raise InputError if more files are corrupt than is allowed, or all are."""
    if len(corrupt) <= allowed and len(corrupt) < len(files):
        return
    lines = [f"{each['file']} ({each['reason']})" for each in corrupt]
    named = ", ".join(lines[:NAMED_AT_MOST])
    if len(lines) > NAMED_AT_MOST:
        place.report.write_text("\n".join(lines) + "\n")
        named += f" and more: {place.report} names all"
    advice = f", or set data.allow_corrupt={len(corrupt)} to go on without them" if len(corrupt) < len(files) else ""
    if any(each["reason"].startswith("values outside") for each in corrupt):
        advice += ", or say with data.black and data.white which grey values are meant"
    raise InputError(
        f"{place.name}: {len(corrupt):,} of {len(files):,} files in {files.folder} hold no usable image: {named}. "
        f"Replace them, or download them again{advice}"
    )


def _inputs_sha256(result: Decoded, files: Files) -> str:
    """Return the SHA-256 of what `sha256sum` prints for the files, in order."""
    lines = (f"{sha}  {name}\n" for sha, name in zip(result.files, files.names, strict=True))
    return hashlib.sha256("".join(lines).encode(errors="surrogateescape")).hexdigest()
