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

DECODING = 3
"""Version of the decoding [us]: raise it with every change that alters a pixel or a hash, and all is prepared anew."""

MAX_PIXELS = 100_000_000
"""An image that says it has more is taken for a decompression bomb [us]."""

FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP", "JPEG2000", "PPM")
"""What is opened [us]: pixels only. Pillow hands some other formats, such as EPS, to outside programs."""

MARGIN = 2
"""A JPEG may be decoded at 1/2, 1/4 or 1/8 of its scale if MARGIN times the wanted size is left [us].

A photograph of 6 megapixels is decoded 4 times as fast; its grey values change by 0.2 to 0.4 on average.
"""


INSTEAD = (
    (128, b"dicm", "a DICOM file: convert it to PNG or TIFF"),
    (0, b"version https://git-lfs", "a pointer of Git LFS: get the file itself with `git lfs pull`"),
    (0, b"<!doctype html", "a web page in place of the image"),
    (0, b"<html", "a web page in place of the image"),
)
"""What people have in place of images: where it shows, by which bytes, and what to say."""

FEW_LEVELS = 32
"""Levels of 256 below which colour of 16 bits is refused: of its bits Pillow keeps the upper 8. [us]"""


class UndecodableError(Exception):
    """The file holds no image that can be used. The message says why in a few words."""


def decoded(
    content: bytes,
    size: int,
    channels: int,
    black: float | None = None,
    white: float | None = None,
    floats: bool = True,
) -> tuple[bytes, tuple[float, float] | None]:
    """Return the centre square of an image, scaled to `size`.

    The shorter side is scaled to `size` (bicubic, antialiased; smaller images are enlarged) and what the longer side
    has more is cut off evenly; both in one step, so that the centre is kept to a fraction of a pixel. Before that the
    image is turned as EXIF says, and put on black where it is transparent. [us]

    Grey from colour is ITU-R 601 luma. Of grey of more than 8 bits, values from `black` to `white` are spread over
    0..255 and what lies outside is cut off. [us]

    Args:
        content: the bytes of a file in one of `FORMATS`.
        size: height and width of the result in pixels.
        channels: 1 for grey, 3 for RGB.
        black, white: grey values of files of more than 8 bits; black may be the larger one. None: 0, and 65535 for
            whole numbers or 1 for floating point; then values outside are refused.
        floats: whether black and white hold for floating point too.

    Returns:
        uint8 `[size, size, channels]`, row by row; and the lowest and highest grey value of a file of whole numbers of
        more than 8 bits, else None.

    Raises:
        UndecodableError: empty, truncated or damaged; not an image; too large; or of values that mean nothing here.
    """
    image = _opened(content, size, channels)
    whole = image.mode != "F"
    if not (whole or floats):
        black, white = None, None
    span = _span(image, white is None)
    ends = None if span is None else (black or 0.0, white if white is not None else 65535.0 if whole else 1.0)
    try:
        return _square(image, size, channels, ends).tobytes(), span if whole else None
    except ValueError:
        raise UndecodableError(f"colours of kind {image.mode}") from None


def _square(image: Image.Image, size: int, channels: int, ends: tuple[float, float] | None) -> Image.Image:
    """Return the scaled centre of an image as grey or RGB; `ends` are black and white of more than 8 bits."""
    mode = "L" if channels == 1 else "RGB"
    if ends is not None:
        image = image.convert("F")
    elif image.has_transparency_data:
        layer, image = image.convert("RGBA"), Image.new("RGB", image.size)
        image.paste(layer, mask=layer)
    if ends is None and image.mode != mode:
        image = image.convert(mode)
    (width, height), side = image.size, min(image.size)
    left, upper = (width - side) / 2, (height - side) / 2
    image = image.resize((size, size), Image.Resampling.BICUBIC, (left, upper, left + side, upper + side))
    if ends is not None:
        black, white = ends
        # Pillow cuts off fractions: half a grey value more rounds to the nearest. What lies outside 0..255 it clips.
        step = 255 / (white - black)
        image = image.point(lambda value: value * step + (0.5 - black * step)).convert("L").convert(mode)
    return image


def _opened(content: bytes, size: int, channels: int) -> Image.Image:
    """Return the image upright and in memory; a large JPEG reduced, and only its luma where grey is wanted."""
    if not content:
        raise UndecodableError("empty file")
    for start, sign, what in INSTEAD:
        if content[start : start + len(sign)].lower() == sign:
            raise UndecodableError(what)
    too_large = UndecodableError(f"more than {MAX_PIXELS // 10**6} million pixels")
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        if math.prod(image.size) > MAX_PIXELS:
            raise too_large
        image.draft("L" if channels == 1 else None, (MARGIN * size, MARGIN * size))
        deep_colour = image.mode in ("RGB", "RGBA", "LA") and any(";16" in str(tile) for tile in image.tile)
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
    if deep_colour and max(image.convert("RGB").tobytes()) < FEW_LEVELS:
        raise UndecodableError(f"colour of 16 bits whose upper 8 have under {FEW_LEVELS} levels; save it with 8 bits")
    return image


def _span(image: Image.Image, refuse: bool) -> tuple[float, float] | None:
    """Return the lowest and highest value of an image of more than 8 bits a channel; None for the others.

    Args:
        image: the image.
        refuse: whether values that would be cut off, and so mean nothing here, are refused.
    """
    if not image.mode.startswith("I;16") and image.mode not in ("I", "F"):
        return None
    import numpy as np  # loaded for these rare kinds only: it takes longer than hundreds of images

    values = np.asarray(image)
    low, high, white = float(values.min()), float(values.max()), 1.0 if image.mode == "F" else 65535.0
    if (refuse and not (low >= 0 and high <= white)) or not np.isfinite([low, high]).all():
        raise UndecodableError(f"values outside 0..{white:.0f}")
    return low, high


def serve(images: str, offset: int, size: int, channels: int, ends: tuple[float | None, float | None, bool]) -> None:
    """Write what files show into their rows of an array, until standard input ends.

    A line of input is `{"row": first row, "files": [path of each row]}`. The line that answers is
    `{"files": [SHA-256 of each file], "images": [SHA-256 of each row], "undecodable": [[position in files, reason]],
    "deep": [[position, lowest, highest grey value of a file of more than 8 bits]]}`, with null for what is not there,
    or `{"failed": [errno, reason]}` where the array cannot be written.

    Args:
        images: path of the array's file.
        offset: bytes before its first row.
        size: height and width of a row's image.
        channels: 1 or 3.
        ends: black, white and floats, as for `decoded`.
    """
    with Path(images).open("r+b", buffering=0) as rows:
        for line in sys.stdin:
            job = json.loads(line)
            files: list[str | None] = [None] * len(job["files"])
            shown: list[str | None] = [None] * len(job["files"])
            undecodable: list[tuple[int, str]] = []
            deep: list[tuple[int, float, float]] = []
            answer: dict[str, Any] = {"files": files, "images": shown, "undecodable": undecodable, "deep": deep}
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
                        pixels, span = decoded(content, size, channels, *ends)
                    except UndecodableError as error:
                        undecodable.append((position, str(error)))
                        continue
                    if span is not None:
                        deep.append((position, *span))
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
        dark, light = (None if word == "None" else float(word) for word in sys.argv[5:7])
        start, wide, deep = map(int, sys.argv[2:5])
        serve(sys.argv[1], start, wide, deep, (dark, light, sys.argv[7] == "True"))
    except BrokenPipeError:  # whoever started us was killed
        os._exit(1)
