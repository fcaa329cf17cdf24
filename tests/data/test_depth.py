"""Files of more than 8 bits: their range is told from the whole data set, and what cannot be told is asked."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from repro.data.prepare import chunks
from repro.data.prepare.depth import grey_range
from repro.errors import InputError
from tests.conftest import load

SIZE, COUNT = 16, 70


def picture(number: int, top: int) -> np.ndarray:
    """Grey values 0..top `[16, 16]`, all of them in use over the images."""
    values = np.random.default_rng(number).integers(0, top + 1, (SIZE, SIZE))
    values[0, :2] = 0, top
    return values


def table(folder: Path, images: list[np.ndarray]) -> str:
    """Write images and a table of them; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["path,label"]
    for number, values in enumerate(images):
        Image.fromarray(values).save(folder / f"{number:03}.tif")
        rows.append(f"{number:03}.tif,{'ab'[number % 2]}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return str(folder / "labels.csv")


def read(csv: str, **settings: object):
    return load("folder", SIZE, "seeded", csv=csv, channels=1, **settings)


def is_near(images: np.ndarray, exact: np.ndarray) -> bool:
    """Whether grey values are those of real numbers, rounded; a tie may fall either way."""
    return bool(np.abs(images[..., 0] - exact).max() <= 0.501)


def test_twelve_bits_in_files_of_sixteen_use_all_of_the_range(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    values = [picture(number, 4095) for number in range(COUNT)]
    with caplog.at_level("INFO"):
        images = read(table(tmp_path, [each.astype(np.uint16) for each in values]))
    assert is_near(images.images, np.array(values) * 255 / 4095)
    assert images.describe()["grey"] == {"black": 0, "white": 4095, "files": COUNT, "lowest": 0, "highest": 4095}
    assert "grey values 0 to 4095 become black to white" in caplog.text


def test_the_range_is_one_for_all_files_so_that_a_dark_image_stays_dark(tmp_path: Path):
    values = [picture(0, 1000)] + [picture(number, 4000) for number in range(1, COUNT)]
    images = read(table(tmp_path, [each.astype(np.uint16) for each in values]))
    assert images.images[0].max() == round(1000 * 255 / 4095)


def test_eight_bits_beside_deeper_files_stay_as_they_are(tmp_path: Path):
    shallow = [picture(number, 255).astype(np.uint8) for number in range(0, COUNT, 2)]
    deep = [picture(number, 1023).astype(np.uint16) for number in range(1, COUNT, 2)]
    both = [each for pair in zip(shallow, deep, strict=True) for each in pair]
    images = read(table(tmp_path, both))
    assert np.array_equal(images.images[::2, ..., 0], np.array(shallow))
    assert is_near(images.images[1::2], np.array(deep) * (255 / 1023))


def test_all_of_sixteen_bits_are_decoded_once(tmp_path: Path, rows_decoded: list[int]):
    images = read(table(tmp_path, [picture(number, 65535).astype(np.uint16) for number in range(COUNT)]))
    assert len(rows_decoded) == COUNT
    assert images.manifest["grey"]["white"] == 65535


def test_values_far_from_black_are_asked_about_and_the_answer_is_taken(tmp_path: Path):
    values = [picture(number, 3000) + 31_000 for number in range(COUNT)]  # computed tomography with an offset
    csv = table(tmp_path, [each.astype(np.uint16) for each in values])
    with pytest.raises(InputError, match=r"data\.black=31000 data\.white=34000"):
        read(csv)
    images = read(csv, black=31_000.0, white=34_000.0)
    assert is_near(images.images, (np.array(values) - 31_000) * 255 / 3000)


def test_black_may_be_the_larger_value_and_what_lies_outside_is_cut_off(tmp_path: Path):
    values = [picture(number, 4095) for number in range(COUNT)]
    csv = table(tmp_path, [each.astype(np.uint16) for each in values])
    inverted = np.rint((3000 - np.array(values)) * 255 / 3000 + 1e-9).clip(0, 255)
    images = read(csv, black=3000.0, white=0.0)
    assert np.abs(images.images[..., 0].astype(int) - inverted).max() <= 1


def test_negative_values_are_refused_with_the_settings_that_help(tmp_path: Path):
    csv = table(tmp_path, [picture(number, 3000).astype(np.int32) - 1000 for number in range(COUNT)])
    with pytest.raises(InputError, match=r"values outside 0\.\.65535.*data\.black and data\.white"):
        read(csv)
    assert read(csv, black=-1000.0, white=2000.0).images.max() == 255


def test_two_depths_of_which_one_would_be_nearly_black_are_asked_about():
    deep = {row: (0.0, 65_000.0 if row < 20 else 4000.0) for row in range(100)}
    with pytest.raises(InputError, match="a typical one only 0 to 4000"):
        grey_range("x", deep, (None, None))
    assert grey_range("x", deep, (None, 65_535.0))["white"] == 65_535


def test_colour_of_sixteen_bits_of_which_nothing_would_be_left_is_refused(tmp_path: Path):
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    csv = table(tmp_path, [picture(number, 255).astype(np.uint8) for number in range(COUNT)])
    pixels = np.random.default_rng(0).integers(0, 4096, (8, 8, 3)).astype(">u2")
    head, body = struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0), b"".join(b"\0" + row.tobytes() for row in pixels)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")
    (tmp_path / "000.tif").write_bytes(content)
    with pytest.raises(InputError, match="colour of 16 bits"):
        read(csv)


def test_an_interrupted_work_never_mixes_two_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Killed in the second pass at 12 bits; then a file of 16 bits comes, and the range is another."""
    values = [picture(number, 4095) for number in range(COUNT)]
    csv = table(tmp_path, [each.astype(np.uint16) for each in values])
    monkeypatch.setattr(chunks, "SECONDS_BETWEEN_RECORDS", 0.0)
    real = chunks._Record.add

    def killed(record, digest: str, start: int, answer: dict) -> None:
        real(record, digest, start, answer)
        if killed.seen == 3:  # two chunks of the first pass, one of the second
            raise KeyboardInterrupt
        killed.seen += 1

    killed.seen = 1
    with monkeypatch.context() as patch:
        patch.setattr(chunks._Record, "add", killed)
        with pytest.raises(KeyboardInterrupt):
            read(csv)
    for number in range(COUNT):
        if number >= 66:
            values[number] = picture(number, 65535)
            Image.fromarray(values[number].astype(np.uint16)).save(tmp_path / f"{number:03}.tif")
    images = read(csv, white=65535.0)
    assert is_near(images.images, np.array(values) / 257)
