"""Decoding one image: every mode and orientation against numpy or torch, and what is refused."""

import io
import re
import struct
import zlib
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from repro.data.prepare import decode
from repro.data.prepare.decode import UndecodableError, decoded


def noise(height: int, width: int, channels: int = 3, seed: int = 0) -> np.ndarray:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def smooth(height: int, width: int, finest: int = 4) -> np.ndarray:
    """A colour image without detail finer than so many pixels."""
    coarse = np.random.default_rng(1).random((1, 3, height // finest, width // finest))
    fine = torch.nn.functional.interpolate(torch.from_numpy(coarse), (height, width), mode="bicubic")
    return (fine[0].permute(1, 2, 0).numpy().clip(0, 1) * 255).astype(np.uint8)


def file_of(image: Image.Image | np.ndarray, kind: str = "PNG", **options: Any) -> bytes:
    content = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(content, kind, **options)
    return content.getvalue()


def pixels(content: bytes, size: int, channels: int = 3) -> np.ndarray:
    array = np.frombuffer(decoded(content, size, channels)[0], np.uint8).reshape(size, size, channels)
    return array[..., 0].astype(int) if channels == 1 else array.astype(int)


def resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """An image `[H, W, 3]` resized by torch, an implementation of its own."""
    planes = torch.from_numpy(image).permute(2, 0, 1)[None].double()
    new = torch.nn.functional.interpolate(planes, (height, width), mode="bicubic", antialias=True)
    return new[0].permute(1, 2, 0).numpy().clip(0, 255)


def test_an_image_of_the_wanted_size_keeps_every_pixel():
    image = noise(32, 32)
    assert np.array_equal(pixels(file_of(image), 32), image)


@pytest.mark.parametrize(("height", "width"), [(32, 50), (50, 32)])
def test_what_the_longer_side_has_more_is_cut_off_evenly(height: int, width: int):
    image = noise(height, width)
    top, left = (height - 32) // 2, (width - 32) // 2
    assert np.array_equal(pixels(file_of(image), 32), image[top : top + 32, left : left + 32])


@pytest.mark.parametrize("size", [24, 60, 144])
def test_images_are_shrunk_with_antialiasing_or_enlarged_and_then_cropped_as_torch_does_it(size: int):
    wide, left = size * 160 // 96, (size * 160 // 96 - size) // 2
    image = smooth(96, 160) // 2 + 64  # far from black and white, where Pillow clips between its two passes
    expected = resized(image, size, wide)[:, left : left + size]
    assert np.abs(pixels(file_of(image), size) - expected).max() <= 1.5
    turned = np.ascontiguousarray(image.transpose(1, 0, 2))
    assert np.abs(pixels(file_of(turned), size) - expected.transpose(1, 0, 2)).max() <= 1.5


def test_a_very_long_image_is_cropped_like_any_other():
    image = np.repeat(noise(8, 1), 400, axis=1)
    assert np.array_equal(pixels(file_of(image), 8), image[:, :8])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_large_jpeg_is_decoded_at_a_reduced_scale_and_stays_close(channels: int):
    content = file_of(smooth(900, 1200, finest=20), "JPEG", quality=95)
    whole = file_of(Image.open(io.BytesIO(content)))
    difference = np.abs(pixels(content, 128, channels) - pixels(whole, 128, channels))
    assert difference.mean() < 0.5
    assert difference.max() <= 6


TURNED = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
@pytest.mark.parametrize("tag", TURNED)
def test_an_image_is_turned_as_its_exif_orientation_says(tag: int, kind: str):
    image, exif = smooth(40, 60), Image.Exif()
    exif[0x0112] = tag
    content = file_of(image, kind, exif=exif, **({"quality": 100, "subsampling": 0} if kind == "JPEG" else {}))
    upright = TURNED[tag](image)
    top, left = (upright.shape[0] - 40) // 2, (upright.shape[1] - 40) // 2
    difference = np.abs(pixels(content, 40) - upright[top : top + 40, left : left + 40])
    assert difference.max() <= (5 if kind == "JPEG" else 0)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_an_image_whose_exif_is_damaged_is_taken_as_it_is_stored():
    image = smooth(40, 40)
    broken = b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff\x01\x12\x00\x03"
    assert np.abs(pixels(file_of(image, "JPEG", quality=100, subsampling=0, exif=broken), 40) - image).mean() < 2


def test_grey_of_colour_is_luma():
    image = noise(32, 32)
    luma = image @ np.array([0.299, 0.587, 0.114])
    assert np.abs(pixels(file_of(image), 32, 1) - luma).max() <= 1


def test_grey_of_a_colour_jpeg_is_luma_too():
    image = smooth(64, 64)
    luma = image @ np.array([0.299, 0.587, 0.114])
    assert np.abs(pixels(file_of(image, "JPEG", quality=100, subsampling=0), 64, 1) - luma).max() <= 3


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_colour_of_grey_has_three_equal_channels(kind: str):
    image = smooth(32, 32)[..., 0]
    three = pixels(file_of(image, kind), 32)
    assert (three == three[..., :1]).all()
    assert np.abs(three[..., 0] - image).max() <= (0 if kind == "PNG" else 12)


def test_opaque_alpha_changes_nothing():
    image = noise(32, 32)
    opaque = np.dstack([image, np.full((32, 32), 255, np.uint8)])
    assert np.array_equal(pixels(file_of(opaque), 32), image)
    assert np.array_equal(pixels(file_of(opaque), 32, 1), pixels(file_of(image), 32, 1))


def test_a_transparent_image_lies_on_black():
    image = noise(32, 32, 4)
    expected = image[..., :3] * (image[..., 3:] / 255)
    assert np.abs(pixels(file_of(image), 32) - expected).max() <= 1


def test_transparent_grey_lies_on_black():
    grey, alpha = noise(32, 32, 1), noise(32, 32, 1, seed=1)
    image = Image.merge("LA", (Image.fromarray(grey), Image.fromarray(alpha)))
    assert np.abs(pixels(file_of(image), 32, 1) - grey * (alpha / 255)).max() <= 1


def palette() -> tuple[Image.Image, np.ndarray]:
    """An image of 256 colours, and the same as RGB."""
    colours, numbers = noise(1, 256)[0], noise(32, 32, 1)
    image = Image.fromarray(numbers).convert("L")
    image.putpalette(colours.tobytes())
    return image, colours[numbers]


@pytest.mark.parametrize("kind", ["PNG", "GIF", "TIFF"])
def test_a_palette_is_looked_up(kind: str):
    image, colours = palette()
    assert image.mode == "P"
    assert np.array_equal(pixels(file_of(image, kind), 32), colours)


def test_a_transparent_colour_of_a_palette_is_black():
    image, colours = palette()
    numbers = np.asarray(image)
    expected = np.where(numbers[..., None] == 7, 0, colours)
    assert (numbers == 7).any()
    assert np.array_equal(pixels(file_of(image, transparency=7), 32), expected)
    alphas = np.arange(256)[::-1]
    several = pixels(file_of(image, transparency=bytes(alphas.tolist())), 32)
    assert np.abs(several - colours * (alphas[numbers][..., None] / 255)).max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_colour_without_palette_is_black(channels: int):
    image = noise(32, 32, channels) // 8 * 8 + 4
    key = (204,) * 3 if channels == 3 else 204
    image[3:9, 3:9] = key
    hidden = (image == 204).all(axis=2) if channels == 3 else image == 204
    image_file = file_of(image, transparency=key)
    expected = np.where(hidden[..., None] if channels == 3 else hidden, 0, image)
    assert np.array_equal(pixels(image_file, 32, channels), expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_one_bit_is_black_or_white(channels: int):
    bits = noise(32, 32, 1) > 127
    result = pixels(file_of(bits), 32, channels)
    assert np.array_equal(result, np.where(bits if channels == 1 else np.repeat(bits[..., None], 3, 2), 255, 0))


def test_one_bit_is_averaged_not_thinned_when_it_is_shrunk():
    stripes = np.tile(np.array([True, False]), (64, 32))
    assert np.abs(pixels(file_of(stripes), 16, 1)[2:-2, 2:-2] - 127.5).max() <= 2


def test_cmyk_is_ink_taken_from_white():
    inks = noise(32, 32, 4)
    expected = (255 - inks[..., :3].astype(float)) * (255 - inks[..., 3:].astype(float)) / 255
    image = Image.frombytes("CMYK", (32, 32), inks.tobytes())
    assert np.abs(pixels(file_of(image, "TIFF"), 32) - expected).max() <= 1


def deep() -> np.ndarray:
    values = np.random.default_rng(2).integers(0, 65536, (32, 32))
    values[0, :3] = 0, 65535, 32768
    return values


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("dtype", "kind"), [("<u2", "PNG"), ("<u2", "TIFF"), (">u2", "TIFF"), ("<i4", "TIFF")])
def test_sixteen_bits_are_scaled_not_clipped(dtype: str, kind: str, channels: int):
    result = pixels(file_of(deep().astype(dtype), kind), 32, channels)
    expected = np.rint(deep() / 257)
    assert np.array_equal(result, expected if channels == 1 else np.repeat(expected[..., None], 3, 2))


def test_sixteen_bits_are_resized_before_they_are_rounded():
    image = smooth(64, 64)[..., 0].astype(np.uint16) * 257
    as_colour = np.repeat((image // 257).astype(np.uint8)[..., None], 3, 2)
    assert np.abs(pixels(file_of(image), 20, 1) - resized(as_colour, 20, 20)[..., 0]).max() <= 0.51


def test_floating_point_runs_from_0_to_1():
    values = (deep() / 65535).astype(np.float32)
    assert np.array_equal(pixels(file_of(values, "TIFF"), 32, 1), np.rint(deep() / 257))


@pytest.mark.parametrize(
    ("value", "dtype", "why"),
    [
        (1.5, np.float32, "values outside 0..1"),
        (-0.1, np.float32, "values outside 0..1"),
        (np.nan, np.float32, "values outside 0..1"),
        (np.inf, np.float32, "values outside 0..1"),
        (65536, np.int32, "values outside 0..65535"),
        (-1, np.int32, "values outside 0..65535"),
    ],
)
def test_values_that_could_mean_anything_are_refused(value: float, dtype: type, why: str):
    image = np.zeros((8, 8), dtype)
    image[5, 5] = value
    with pytest.raises(UndecodableError, match=f"^{re.escape(why)}$"):
        decoded(file_of(image, "TIFF"), 8, 1)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
def test_a_truncated_file_is_refused_wherever_it_ends(kind: str, share: float):
    content = file_of(noise(64, 64), kind)
    with pytest.raises(UndecodableError, match="truncated"):
        decoded(content[: int(share * len(content))], 32, 3)


def test_a_large_truncated_jpeg_is_refused_though_it_is_decoded_at_a_reduced_scale():
    content = file_of(noise(600, 600), "JPEG")
    with pytest.raises(UndecodableError, match="truncated"):
        decoded(content[: len(content) * 3 // 4], 32, 3)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty file"),
        (b"<html>404 Not Found</html>", "a web page in place of the image"),
        (b"<!DOCTYPE html><title>Sign in</title>", "a web page in place of the image"),
        (bytes(128) + b"DICM" + bytes(64), "a DICOM file: convert it to PNG or TIFF"),
        (
            b"version https://git-lfs.github.com/spec/v1\n",
            "a pointer of Git LFS: get the file itself with `git lfs pull`",
        ),
        (b"\x89PNG\r\n\x1a\n", "not an image"),
        (bytes(1000), "not an image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n%%EOF\n", "not an image"),
    ],
)
def test_what_is_no_image_is_refused(content: bytes, why: str):
    with pytest.raises(UndecodableError, match=f"^{re.escape(why)}$"):
        decoded(content, 32, 3)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


@pytest.mark.parametrize(("width", "height"), [(10_001, 10_000), (50_000, 50_000)])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_an_image_that_claims_more_than_100_million_pixels_is_refused_before_it_is_decoded(width: int, height: int):
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    with pytest.raises(UndecodableError, match=r"^more than 100 million pixels$"):
        decoded(content, 32, 3)


def test_colours_that_cannot_be_converted_are_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(decode, "_opened", lambda *_: Image.new("La", (8, 8)))
    with pytest.raises(UndecodableError, match=r"^colours of kind La$"):
        decoded(b"", 8, 3)


def test_a_damaged_png_is_refused_with_what_pillow_says():
    content = bytearray(file_of(noise(64, 64)))
    content[len(content) // 2] ^= 0xFF
    with pytest.raises(UndecodableError, match=r"^damaged: "):
        decoded(bytes(content), 32, 3)
