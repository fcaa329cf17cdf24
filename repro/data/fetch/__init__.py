"""Getting a data set's official files into `$REPRO_DATA/NAME`, laid out as its publisher does."""

import errno
import logging
import os
import shutil
import sys
from pathlib import Path

from repro.data.fetch.archives import OFFICIAL
from repro.data.fetch.installation import Installation
from repro.data.fetch.medmnist import get
from repro.data.folder import data_folder
from repro.data.sources import medmnist, phantom
from repro.errors import InputError, did_you_mean

log = logging.getLogger("repro.data")

ASK_ABOVE = 1e9
"""Bytes to download above which a person is asked."""
UNPACKED = 1.05
"""Bytes on disk per byte of archive: JPEG and PNG do not compress further."""


def fetch(
    name: str, mirror: str | None = None, yes: bool = False, verify: bool = False, remove_archives: bool = False
) -> None:
    """Download, check and unpack a data set; what is there already is left as it is.

    Archives are kept unless told otherwise: they are what a copy can be checked against and passed on from, and a
    second download costs hours.

    Args:
        name: a data set.
        mirror: URL (or path) of a folder that holds the official files under their official names; default:
            `$REPRO_MIRROR`, else the publisher.
        yes: do not ask before a large download.
        verify: hash again what lies there.
        remove_archives: delete each archive once it is unpacked.

    Raises:
        InputError: unknown name; no network, room or permission; a wrong hash; a bad archive.
    """
    mirror = mirror or os.environ.get("REPRO_MIRROR") or None
    if name in phantom.NAMES:
        print(f"{name} is drawn by the kit itself: there is nothing to fetch")
        return
    if name in medmnist.NAMES:
        folder = data_folder() / "medmnist"
        try:
            get(name, 28, medmnist.missing(name, 28), mirror, verify)
        except OSError as error:
            raise InputError(_in_words(error, folder)) from None
        count = len(medmnist.load(name, 28, "official").images)
        tables = ", and the tables that tell lesions" if name == "dermamnist" else ""
        print(f"{name} is there: {count} images at 28 pixels{tables}")
        return
    if name not in OFFICIAL:
        known = [*OFFICIAL, *medmnist.NAMES]
        raise InputError(f"nothing to fetch for '{name}'.{did_you_mean(name, known)} Known: {', '.join(known)}")
    place = Installation(name)
    try:
        if not place.missing(verify):
            if remove_archives:
                place.remove_archives()
            place.tidy()
            print(f"{name} is in {place.folder} already{', and its hashes are those recorded' if verify else ''}")
        elif not _agreed(place, yes, remove_archives):
            print("nothing was downloaded")
        else:
            with place.alone():
                for file in place.missing():
                    place.get(file, mirror)
                    if remove_archives:
                        place.remove_archives()
                place.finish()
            print(f"{name} is in {place.folder}")
    except KeyboardInterrupt:
        log.warning("what has arrived is kept in %s; the same command continues", place.work)
        raise
    except OSError as error:
        raise InputError(_in_words(error, place.folder)) from None


def _agreed(place: Installation, yes: bool, remove_archives: bool) -> bool:
    """Say what is about to happen, and ask where it is much; nothing has been written so far."""
    load, archives = place.needs()
    room = UNPACKED * sum(archives) + (max(archives, default=0) if remove_archives else load)
    free = shutil.disk_usage(next(p for p in (place.folder, *place.folder.parents) if p.exists())).free
    said = (
        f"{place.name}: {load / 1e9:.1f} GB to download; {room / 1e9:.1f} GB of disk needed, {free / 1e9:.1f} GB free "
        f"in {place.folder}. Licence: {place.official.licence}. {place.official.page}"
    )
    if room > free:
        hint = "" if remove_archives or len(archives) < 2 else ", add --remove-archives"
        raise InputError(f"not enough free disk. {said} Free some{hint}, or set REPRO_DATA to another folder")
    if load > ASK_ABOVE and not yes and not sys.stdin.isatty():
        raise InputError(f"{said} This is a large download: add --yes to start it")
    log.info("%s", said)
    return load <= ASK_ABOVE or yes or input("Download? [y/N] ").strip().lower() in ("y", "yes")


def _in_words(error: OSError, folder: Path) -> str:
    where = error.filename or folder
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk of {folder} is full. What has arrived is kept; free some and run the same command again"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{where} may not be written ({error.strerror}). Point REPRO_DATA to a folder of your own"
    return f"{where}: {error.strerror or error}. What has arrived is kept; the same command continues"
