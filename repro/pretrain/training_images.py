"""Storage of the training images: on the device if they fit there, else on disk, read one batch ahead."""

import logging
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest

import numpy as np
import torch

from repro.pretrain import processes
from repro.pretrain.encoder import to_input

log = logging.getLogger("repro.pretrain")

SHARE_OF_FREE_MEMORY = 0.5
"""How much of a GPU's free memory images may take; the rest is for training. [us]"""

CHUNK_BYTES = 2**28


class Pixels:
    """Images as uint8, handed out in batches.

    Args:
        images: uint8 `[N, H, W, C]`, in memory or memory-mapped.
        members: int64 `[M]`, which of them.
        device: where batches go.
        residency: "device", "paged" (read from `images` as they are needed), or "auto": on the device if they fit; on
            a CPU memory-mapped images stay where they are, and the system keeps in memory what it can.
    """

    def __init__(self, images: np.ndarray, members: np.ndarray, device: torch.device, residency: str = "auto") -> None:
        with warnings.catch_warnings():  # images on disk cannot be written to, and nobody tries to
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            self._host = torch.from_numpy(images)
        self._members, self._device = torch.from_numpy(members), device
        size = len(members) * int(np.prod(images.shape[1:]))
        self.resident = residency == "device" or (residency == "auto" and self._fits(images, size))
        if self.resident:
            self._kept = self._copied(max(1, CHUNK_BYTES // int(np.prod(images.shape[1:]))))
        elif residency == "auto":
            log.info("%d images (%.1f GB) are read from disk as they are needed", len(members), size / 1e9)

    def __len__(self) -> int:
        return len(self._members)

    def batches(self, order: torch.Tensor, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield (index `[size]` on the device, images float `[b, 3, H, W]` in [0, 1]) for every whole batch.

        The index is of the whole batch, the images are this process's share of it.

        Args:
            order: int64 `[K]` on the CPU: positions among the members.
            size: images per batch; a rest is left out.
        """
        indices = [index for index in order.split(size) if len(index) == size]
        own = processes.share(size)
        if self.resident:
            for index in indices:
                there = index.to(self._device)
                yield there, to_input(self._kept[there[own]])
            return
        with ThreadPoolExecutor(max_workers=1) as reader:
            ahead = [reader.submit(self._read, index[own]) for index in indices[:1]]
            for index, following in zip_longest(indices, indices[1:]):
                pixels = ahead.pop().result()
                if following is not None:
                    ahead.append(reader.submit(self._read, following[own]))
                yield index.to(self._device), to_input(pixels.to(self._device, non_blocking=True))

    def _read(self, index: torch.Tensor) -> torch.Tensor:
        # Ascending, as they lie on the disk; then in the order asked for.
        ascending, place = self._members[index].sort()
        pixels = self._host[ascending]
        back = pixels[place.argsort()]
        return back.pin_memory() if self._device.type == "cuda" else back

    def _fits(self, images: np.ndarray, size: int) -> bool:
        if self._device.type == "cuda":
            return size <= SHARE_OF_FREE_MEMORY * torch.cuda.mem_get_info(self._device)[0]
        return not isinstance(images, np.memmap)

    def _copied(self, images: int) -> torch.Tensor:
        """Return the members on the device, copied a few images at a time."""
        kept = torch.empty((len(self._members), *self._host.shape[1:]), dtype=torch.uint8, device=self._device)
        for start in range(0, len(self._members), images):
            some = slice(start, start + images)
            kept[some] = self._host[self._members[some]].to(self._device)
        return kept
