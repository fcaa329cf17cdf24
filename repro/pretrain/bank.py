"""Memory banks: what earlier batches left behind (lightly's), kept in checkpoints so that a resumed run has them."""

import torch
from lightly.models.modules import NNMemoryBankModule
from torch import nn

from repro.pretrain.selectors import Batch, Candidates, Members


class NeighbourBank(NNMemoryBankModule):
    """NNCLR's bank of projections: gives the nearest of its rows for each projection (Dwibedi et al. 2021).

    Args:
        size: rows kept.
        out: size of a projection.
    """

    def __init__(self, size: int, out: int) -> None:
        super().__init__((size, out))
        self.register_buffer("bank", self.bank)  # lightly leaves them out of the state
        self.register_buffer("bank_ptr", self.bank_ptr)


class PartnerBank(nn.Module):
    """The latest images' target projections and who they are, for partners from beyond the batch.

    Args:
        size: images kept.
        out: size of a projection.
        labels: columns of labels; 0 for one class per image.
    """

    def __init__(self, size: int, out: int, labels: int) -> None:
        super().__init__()
        self._out, self._labels = out, labels
        self._bank = NeighbourBank(size, 2 * out + 2 + max(1, labels))
        self._bank.bank.zero_()

    def candidates(self, grouped: bool) -> Candidates:
        """Return the images kept; `grouped`: whether their groups are known."""
        t, who = self._bank.bank.split([2 * self._out, self._bank.bank.shape[1] - 2 * self._out], dim=1)
        position, group, labels = who[:, 0].long() - 1, who[:, 1].long(), who[:, 2:].long()
        views = t.reshape(len(t), 2, self._out).transpose(0, 1)
        return Candidates(
            views, Members(position, labels if self._labels else labels[:, 0], group if grouped else None)
        )

    @torch.no_grad()
    def add(self, batch: Batch) -> None:
        """Keep a batch's images in place of the oldest."""
        members = batch.members
        labels = members.labels if self._labels else members.labels[:, None]
        group = torch.zeros_like(members.position) if members.groups is None else members.groups
        # One row per image, so that lightly's bank moves everything together; position 0 means an empty row.
        t = batch.out.t.transpose(0, 1).flatten(1)
        who = torch.cat([torch.stack([members.position + 1, group], dim=1), labels], dim=1)
        self._bank(torch.cat([t, who.to(t.dtype)], dim=1), update=True)
