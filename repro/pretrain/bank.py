"""Memory banks: what earlier batches left behind (lightly's), kept in checkpoints so that a resumed run has them."""

import torch
from lightly.models.modules import NNMemoryBankModule
from lightly.models.modules.memory_bank import MemoryBankModule
from torch import nn

from repro.pretrain.gradients.last_layer import LastLayer
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
        gradients: views, inputs and outputs of the last layer, if each image's gradient there is kept too.
    """

    def __init__(self, size: int, out: int, labels: int, gradients: tuple[int, int, int] = (0, 0, 0)) -> None:
        super().__init__()
        self._out, self._labels, self._gradients = out, labels, gradients
        views, inputs, outputs = gradients
        self._parts = [2 * out, 2 + max(1, labels), views * inputs, views * outputs]
        self._bank = NeighbourBank(size, sum(self._parts))
        self._bank.bank.zero_()

    @property
    def keeps_gradients(self) -> bool:
        """Whether each image's gradient at the last layer is kept."""
        return self._gradients[0] > 0

    def candidates(self, grouped: bool) -> Candidates:
        """Return the images kept; `grouped`: whether their groups are known."""
        t, who, a, d = self._bank.bank.split(self._parts, dim=1)
        position, group, labels = who[:, 0].long() - 1, who[:, 1].long(), who[:, 2:].long()
        members = Members(position, labels if self._labels else labels[:, 0], group if grouped else None)
        views = self._gradients[0]
        last = LastLayer(_by_view(a, views), _by_view(d, views)) if self.keeps_gradients else None
        return Candidates(_by_view(t, 2), members, last)

    @torch.no_grad()
    def add(self, batch: Batch) -> None:
        """Keep a batch's images in place of the oldest."""
        members = batch.members
        labels = members.labels if self._labels else members.labels[:, None]
        group = torch.zeros_like(members.position) if members.groups is None else members.groups
        # One row per image, so that lightly's bank moves everything together; position 0 means an empty row.
        t = batch.out.t.transpose(0, 1).flatten(1)
        who = torch.cat([torch.stack([members.position + 1, group], dim=1), labels], dim=1)
        rows = [t, who.to(t.dtype)]
        if self.keeps_gradients:
            assert batch.last is not None
            rows += [each.transpose(0, 1).flatten(1) for each in (batch.last.a, batch.last.d)]
        # Not NeighbourBank's: nobody asks for neighbours of whole rows.
        MemoryBankModule.forward(self._bank, torch.cat(rows, dim=1), update=True)


def _by_view(rows: torch.Tensor, views: int) -> torch.Tensor:
    """Return `[views, N, ...]` of rows `[N, views ...]`."""
    return rows.reshape(len(rows), views, -1).transpose(0, 1)
