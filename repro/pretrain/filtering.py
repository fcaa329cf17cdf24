"""Which of the chosen partners train: those that chose each other, and those whose scores are high. [us]

An image whose partners do not train keeps the base method's own loss.
"""

from dataclasses import dataclass, replace

import torch

from repro.pretrain.byol import Partners


@dataclass(frozen=True)
class Filter:
    """What partners must be to train.

    Args:
        mutual: the image is among its partner's partners.
        confidence: the image's best score is at least this quantile of the batch's best scores, in [0, 1].
    """

    mutual: bool = False
    confidence: float = 0.0

    @property
    def idle(self) -> bool:
        """Whether all partners train."""
        return not self.mutual and self.confidence == 0

    def kept(self, partners: Partners, scores: torch.Tensor) -> Partners:
        """Return the partners that train; those that do not are no longer valid.

        Args:
            partners: who was chosen; for `mutual`, images of the batch.
            scores: `[B, N]`, what they were chosen by.
        """
        valid = partners.valid
        if self.mutual:
            valid = valid & mutual(partners)
        if self.confidence > 0:
            valid = valid & confident(partners, scores, self.confidence)[:, None]
        return replace(partners, valid=valid)


def mutual(partners: Partners) -> torch.Tensor:
    """Return bool `[B, k]`: whether the image is among its partner's partners."""
    own = torch.arange(len(partners.index), device=partners.index.device)[:, None, None]
    back = (partners.index[partners.index] == own) & partners.valid[partners.index]  # [B, k, k]
    return back.any(dim=2) & partners.valid


def confident(partners: Partners, scores: torch.Tensor, quantile: float) -> torch.Tensor:
    """Return bool `[B]`: whether the score of an image's best partner is at least this quantile of all such scores.

    Images without a partner do not count.
    """
    best = scores.gather(1, partners.index[:, :1])[:, 0].masked_fill(~partners.valid[:, 0], torch.nan)
    return best >= best.nanquantile(quantile)
