"""One image file as the bytes of an array.

Run as a program it does so for the files that it is told on standard input. It imports nothing of the kit, because
that would take longer than to decode a thousand small images.
"""

import hashlib
import io
import json
import math
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps, UnidentifiedImageError

DECODING = 2
"""Version of the decoding [us]: raise it with every change that alters a pixel or a hash, and all is prepared anew."""

MAX_PIXELS = 100_000_000
"""An image that says it has more is taken for a decompression bomb [us]."""

FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP", "JPEG2000", "PPM")
"""What is opened [us]: pixels only. Pillow hands some other formats, such as EPS, to outside programs."""

MARGIN = 2
"""A JPEG may be decoded at 1/2, 1/4 or 1/8 of its scale if MARGIN times the wanted size is left [us].

A photograph of 6 megapixels is decoded 4 times as fast; its grey values change by 0.2 to 0.4 on average.
"""


class UndecodableError(Exception):
    """The file holds no image that can be used. The message says why in a few words."""


def decoded(content: bytes, size: int, channels: int) -> bytes:
    """Return the centre square of an image, scaled to `size`.

    The shorter side is scaled to `size` (bicubic, antialiased; smaller images are enlarged) and what the longer side
    has more is cut off evenly; both in one step, so that the centre is kept to a fraction of a pixel. Before that the
    image is turned as EXIF says, and put on black where it is transparent. [us]

    Grey from colour is ITU-R 601 luma. Grey of 16 bits (or of 32 bits within 0..65535) is divided by 257, and
    floating point taken as 0..1. [us]

    Args:
        content: the bytes of a file in one of `FORMATS`.
        size: height and width of the result in pixels.
        channels: 1 for grey, 3 for RGB.

    Returns:
        uint8 `[size, size, channels]`, row by row.

    Raises:
        UndecodableError: empty, truncated or damaged; not an image; too large; or of values that mean nothing here.
    """
    image = _opened(content, size, channels)
    white = _white_of(image)
    try:
        return _square(image, size, channels, white).tobytes()
    except ValueError:
        raise UndecodableError(f"colours of kind {image.mode}") from None


def _square(image: Image.Image, size: int, channels: int, white: float | None) -> Image.Image:
    """Return the scaled centre of an image as grey or RGB; `white` as `_white_of` returns it."""
    mode = "L" if channels == 1 else "RGB"
    if white is not None:
        image = image.convert("F")
    elif image.has_transparency_data:
        layer, image = image.convert("RGBA"), Image.new("RGB", image.size)
        image.paste(layer, mask=layer)
    if white is None and image.mode != mode:
        image = image.convert(mode)
    (width, height), side = image.size, min(image.size)
    left, upper = (width - side) / 2, (height - side) / 2
    image = image.resize((size, size), Image.Resampling.BICUBIC, (left, upper, left + side, upper + side))
    if white is not None:
        # Pillow cuts off fractions: half a grey value more rounds to the nearest.
        image = image.point(lambda value: value * (255 / white) + 0.5).convert("L").convert(mode)
    return image


def _opened(content: bytes, size: int, channels: int) -> Image.Image:
    """Return the image upright and in memory; a large JPEG reduced, and only its luma where grey is wanted."""
    if not content:
        raise UndecodableError("empty file")
    too_large = UndecodableError(f"more than {MAX_PIXELS // 10**6} million pixels")
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        if math.prod(image.size) > MAX_PIXELS:
            raise too_large
        image.draft("L" if channels == 1 else None, (MARGIN * size, MARGIN * size))
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
    except UndecodableError:
        raise
    except Image.DecompressionBombError:
        raise too_large from None
    except UnidentifiedImageError:
        raise UndecodableError("not an image") from None
    except Exception as error:  # a damaged file makes Pillow raise nearly anything
        said = " ".join(str(error).split()) or type(error).__name__
        raise UndecodableError("truncated" if "truncated" in said.lower() else f"damaged: {said[:80]}") from None
    return image


def _white_of(image: Image.Image) -> float | None:
    """Return the value of white in an image of more than 8 bits a channel; None for the others."""
    if image.mode.startswith("I;16"):
        return 65535.0
    if image.mode not in ("I", "F"):
        return None
    white = 65535.0 if image.mode == "I" else 1.0
    import numpy as np  # loaded for these rare kinds only: it takes longer than hundreds of images

    values = np.asarray(image)
    if not (values.min() >= 0 and values.max() <= white):  # nor is either true of NaN
        raise UndecodableError(f"values outside 0..{white:.0f}")
    return white


def serve(images: str, offset: int, size: int, channels: int) -> None:
    """Write what files show into their rows of an array, until standard input ends.

    A line of input is `{"row": first row, "files": [path of each row]}`. The line that answers is
    `{"files": [SHA-256 of each file], "images": [SHA-256 of each row], "undecodable": [[position in files, reason]]}`,
    with null for what is not there, or `{"failed": [errno, reason]}` where the array cannot be written.

    Args:
        images: path of the array's file.
        offset: bytes before its first row.
        size: height and width of a row's image.
        channels: 1 or 3.
    """
    with Path(images).open("r+b", buffering=0) as rows:
        for line in sys.stdin:
            job = json.loads(line)
            files: list[str | None] = [None] * len(job["files"])
            shown: list[str | None] = [None] * len(job["files"])
            undecodable: list[tuple[int, str]] = []
            answer: dict[str, Any] = {"files": files, "images": shown, "undecodable": undecodable}
            try:
                for position, file in enumerate(job["files"]):
                    try:
                        with io.FileIO(file) as opened:
                            content = opened.read()
                    except OSError as error:
                        undecodable.append((position, f"cannot be read: {error.strerror}"))
                        continue
                    files[position] = hashlib.sha256(content).hexdigest()
                    try:
                        pixels = decoded(content, size, channels)
                    except UndecodableError as error:
                        undecodable.append((position, str(error)))
                        continue
                    shown[position] = hashlib.sha256(pixels).hexdigest()
                    _write(rows.fileno(), pixels, offset + (job["row"] + position) * len(pixels))
            except OSError as error:
                answer = {"failed": [error.errno, error.strerror]}
            print(json.dumps(answer), flush=True)


def _write(file: int, content: bytes, place: int) -> None:
    """Write all of it: on a disk that is nearly full the system may take a part, and refuse the rest."""
    while content:
        written = os.pwrite(file, content, place)
        content, place = content[written:], place + written


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started us decides when to stop
    warnings.simplefilter("ignore")  # the limit above is what counts, and strange metadata hurt no pixel
    try:
        serve(sys.argv[1], *map(int, sys.argv[2:]))
    except BrokenPipeError:  # whoever started us was killed
        os._exit(1)
