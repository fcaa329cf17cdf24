"""The contrastive loss of SimCLR image by image, with more positives in its numerator (Chen et al. 2020, eq. 1)."""

import torch
from torch.nn import functional as F


def image_losses(z: torch.Tensor, temperature: float, constant_others: bool = False, views: int = 2) -> torch.Tensor:
    """Return l_i `[B]`: NT-Xent of the image's views, the mean over them; the batch's mean is the loss.

    Args:
        z: projections of both views `[2, B, P]`.
        temperature: divides cosines.
        constant_others: whether other images' projections are constants: l_i has a gradient at row i alone [us].
        views: 2, or 1 for the first view's loss alone.
    """
    similar, positive = _similarities(z, temperature, constant_others)
    losses = similar.logsumexp(dim=1) - positive
    return losses.unflatten(0, (2, -1))[:views].mean(dim=0)


def with_partners(
    z: torch.Tensor,
    theirs: torch.Tensor,
    valid: torch.Tensor,
    temperature: float,
    weight: float,
    among_others: bool,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return `[B]` twice: the loss with partners as further positives, and the partners' own cross-entropy.

    With s the cosines over the temperature, k partners of weight lambda and D the sum of exp(s) over all others:
    -log((exp s_positive + lambda mean_k exp s_partner) / D), the mean over both views [us].

    Args:
        z: projections of both views `[2, B, P]`.
        theirs: for each view what its partners are compared with, the other view's `[2, B, k, P]`.
        valid: bool `[B, k]`; an image without a valid partner has the plain loss, and 0.
        temperature: divides cosines.
        weight: lambda.
        among_others: whether the partners are images of the batch, and so in D already.
    """
    similar, positive = _similarities(z, temperature, constant_others=False)
    cosine = F.cosine_similarity(z[:, :, None], theirs, dim=-1).flatten(0, 1) / temperature
    counted = valid.repeat(2, 1)
    number = counted.sum(dim=1, keepdim=True).clamp_min(1)
    weighted = cosine + torch.log(weight * counted / number)  # -inf where not valid
    numerator = torch.cat([positive[:, None], weighted], dim=1).logsumexp(dim=1)
    denominator = (similar if among_others else torch.cat([similar, weighted], dim=1)).logsumexp(dim=1)
    own = ((denominator[:, None] - cosine) * counted).sum(dim=1, keepdim=True) / number
    losses = torch.stack([denominator - numerator, own[:, 0]])
    return tuple(losses.unflatten(1, (2, -1)).mean(dim=1))


def _similarities(z: torch.Tensor, temperature: float, constant_others: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Return all projections' cosines over the temperature, `[2B, 2B]` with -inf for oneself; and the positives'."""
    unit = F.normalize(z, dim=-1)
    flat, n = unit.flatten(0, 1), unit.shape[1]
    similar = flat @ (flat.detach() if constant_others else flat).T / temperature
    positive = ((unit[0] * unit[1]).sum(dim=-1) / temperature).repeat(2)
    place = torch.arange(2 * n, device=z.device)
    itself, pair = (place[:, None] == other[None] for other in (place, (place + n) % (2 * n)))
    return torch.where(pair, positive[:, None], similar).masked_fill(itself, -torch.inf), positive
