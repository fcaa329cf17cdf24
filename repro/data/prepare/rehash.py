"""Is a prepared set still what was prepared? Its files and its images are hashed again."""

import hashlib
import json
from pathlib import Path

import numpy as np

from repro.data.imageset import sha256_of_images
from repro.data.listing import Listing
from repro.data.prepare.cache import MANIFEST, CacheEntry
from repro.data.prepare.chunks import IMAGES
from repro.progress import Progress


def altered(listing: Listing, size: int, folder: Path) -> tuple[str, ...]:
    """Return what is no longer as it was when a listing was prepared, by name: files, and the array of images.

    `prepared` itself looks at names, sizes and times of change alone.

    Args:
        listing, size, folder: as `prepared` got them.
    """
    place = CacheEntry(folder, f"{listing.name}-{size}")
    manifest = json.loads((place.ready / MANIFEST).read_text())
    files, found = manifest["files"], []
    path_of = dict(zip(listing.names, listing.files, strict=True))
    with Progress(f"hash {listing.name}", len(files["name"]), "file") as progress:
        for name, sha256 in zip(files["name"], files["sha256"], strict=True):
            if _sha256(Path(path_of[name])) != sha256:
                found.append(name)
            progress.advance()
    if sha256_of_images(np.load(place.ready / IMAGES, mmap_mode="r")) != manifest["images_sha256"]:
        found.append(str(place.ready / IMAGES))
    return tuple(found)


def _sha256(file: Path) -> str | None:
    """Return the SHA-256 of a file; None where it cannot be read."""
    try:
        with file.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest()
    except OSError:
        return None
