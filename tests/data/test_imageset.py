"""The hash of a set: computed once, or never where it is stored."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from repro.data import imageset
from repro.data.imageset import ImageSet, sha256_of, sha256_of_images


def test_images_without_a_stored_hash_are_hashed_once(tiny: ImageSet, monkeypatch: pytest.MonkeyPatch):
    calls: list[int] = []
    monkeypatch.setattr(imageset, "sha256_of_images", lambda array: calls.append(array.ndim) or sha256_of_images(array))
    assert tiny.sha256_with(tiny.labels) != tiny.sha256_with(tiny.groups)
    assert tiny.images_sha256 == sha256_of_images(tiny.images)
    assert calls == [4]
    assert replace(tiny, images=255 - tiny.images).images_sha256 != tiny.images_sha256


def test_a_stored_hash_is_believed_and_kept_with_other_labels(tiny: ImageSet):
    stored = replace(tiny, stored_sha256=sha256_of_images(tiny.images))
    assert stored.describe() == tiny.describe()
    assert replace(tiny, stored_sha256="abc").images_sha256 == "abc"
    turned = replace(stored, labels=1 - tiny.labels)
    assert turned.images_sha256 == stored.images_sha256
    assert turned.describe()["sha256"] != stored.describe()["sha256"]


@pytest.mark.parametrize("array", [np.arange(24, dtype=">u2").reshape(2, 3, 4)[:, ::2], np.zeros((0, 3), np.uint8)])
def test_the_hash_is_of_type_shape_and_bytes_in_little_endian_row_order(array: np.ndarray):
    little = array.astype(array.dtype.newbyteorder("<"))
    text = f"{little.dtype.str}{little.shape}".encode() + little.tobytes()
    assert sha256_of(array) == hashlib.sha256(text).hexdigest()


@pytest.mark.parametrize("order", ["C", "F"])
def test_the_hash_of_images_is_that_of_the_hashes_of_each_and_knows_their_shape_and_order(tiny: ImageSet, order: str):
    sums = b"".join(hashlib.sha256(image.tobytes()).digest() for image in tiny.images)
    expected = hashlib.sha256(b"|u1(28, 28, 3)" + sums).hexdigest()
    assert sha256_of_images(np.array(tiny.images, order=order)) == expected
    assert sha256_of_images(tiny.images[::-1]) != expected
    assert sha256_of_images(tiny.images[:-1]) != expected
    assert sha256_of_images(tiny.images.reshape(96, 28, 42, 2)) != expected
