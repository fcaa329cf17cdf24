"""What partners are like, measured in every batch: labels are used to measure, never to select."""

from collections import defaultdict

import torch

from repro.pretrain.selectors import SELECTORS, Batch, choose

MEASURED = ("tracin_cosine", "tracin_dot", "cosine")
"""Selectors measured in every BYOL run beside the one it uses: each costs a `[B, B]` product."""


class PartnerStatistics:
    """Statistics of one epoch, kept on the device and read once at its end.

    Args:
        used: key of the selector that trains, or None.
        classes: number of classes or labels.
        exclude_group: whether images of one group may not be partners.
    """

    def __init__(self, used: str | None, classes: int, exclude_group: bool) -> None:
        self.used = used
        self.names = [*([used] if used else []), *(name for name in MEASURED if name != used)]
        self._classes, self._exclude_group = classes, exclude_group
        self._batches: dict[str, list[torch.Tensor]] = defaultdict(list)
        self._per_class: dict[str, torch.Tensor] = {}

    @torch.no_grad()
    def add(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Measure a batch; return the partners (and who has one) of the first selector of `names`."""
        allowed = batch.allowed(self._exclude_group)
        chosen = {name: choose(SELECTORS[name](batch), allowed) for name in self.names}
        members = self._members(batch.labels)
        chance = ((batch.same_label & allowed).sum(dim=1) / allowed.sum(dim=1).clamp_min(1)).float()
        paired = allowed.any(dim=1)
        self._count("chance", chance, members, paired)
        nearest = chosen["cosine"][0]
        for name, (partner, has_partner) in chosen.items():
            index = torch.arange(len(partner), device=partner.device)
            self._count(f"{name}/same_label", batch.same_label[index, partner].float(), members, has_partner)
            self._mean(f"{name}/mutual", (partner[partner] == index).float(), has_partner)
            self._mean(f"{name}/agrees_with_cosine", (partner == nearest).float(), has_partner)
            in_degree = torch.bincount(partner[has_partner], minlength=len(partner))
            self._batches[f"{name}/hub_max"].append(in_degree.max().float())
        norm = batch.kernel.diagonal().clamp_min(0).sqrt()
        self._batches["gradient_norm_spread"].append(norm.std() / norm.mean())
        return chosen[self.names[0]]

    def means(self) -> dict[str, float]:
        """Return the epoch's means: rates in [0, 1], in-degrees >= 0; `_macro` is the mean over classes."""
        overall = {name: float(values.mean()) for name, values in self.by_batch().items()}
        macro = {}
        for name, sums in self._per_class.items():
            hits, counts = sums.cpu().double()
            macro[f"{name}_macro"] = float((hits / counts)[counts > 0].mean())
        return {**overall, **macro}

    def by_batch(self) -> dict[str, torch.Tensor]:
        """Return every statistic batch by batch, float32 `[batches]`, for standard errors."""
        return {name: torch.stack(values).cpu() for name, values in self._batches.items()}

    def _members(self, labels: torch.Tensor) -> torch.Tensor:
        """Return float64 `[B, classes]`: which classes an image counts for."""
        if labels.ndim == 2:
            return labels.double()
        return torch.nn.functional.one_hot(labels, self._classes).double()

    def _count(self, name: str, value: torch.Tensor, members: torch.Tensor, counted: torch.Tensor) -> None:
        self._mean(name, value, counted)
        weights = members * counted[:, None]
        sums = torch.stack([(value.double()[:, None] * weights).sum(dim=0), weights.sum(dim=0)])
        self._per_class[name] = self._per_class[name] + sums if name in self._per_class else sums

    def _mean(self, name: str, value: torch.Tensor, counted: torch.Tensor) -> None:
        self._batches[name].append((value * counted).sum() / counted.sum().clamp_min(1))


def feature_std(projections: torch.Tensor) -> torch.Tensor:
    """Return how spread the normalised projections `[B, P]` are: about 1 when isotropic, 0 when collapsed.

    The standard deviation of each coordinate over the batch, averaged, times sqrt(P) (Chen and He 2021).
    """
    unit = torch.nn.functional.normalize(projections, dim=-1)
    return unit.std(dim=0).mean() * projections.shape[1] ** 0.5
