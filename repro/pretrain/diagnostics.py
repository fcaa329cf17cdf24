"""Statistics of partners during training: labels are used to measure, never to select."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from repro.errors import InputError
from repro.pretrain.byol import Partners
from repro.pretrain.filtering import Filter, mutual
from repro.pretrain.partner_choices import Choices
from repro.pretrain.selectors import SELECTORS, Batch, Members, candidates_of, choose, scored

COLLAPSED = 0.1
"""Spread of the features, where 1 is isotropic, below which a network counts as collapsed [us]."""


class PartnerStatistics:
    """Statistics of one epoch, kept on the device and read once at its end.

    Args:
        used: key of the selector that trains, or None.
        measured: keys of the selectors that are measured beside it.
        classes: number of classes or labels.
        exclude_group: whether images of one group may not be partners.
        k: partners per image of the selector that trains; of the others the best is measured.
        every: the selector that trains is measured in every batch, the others in every so manieth, counted back from
            the epoch's last.
        batches: in the epoch.
        filtered: which partners of the selector that trains do train.

    `latest` are the choices of the selectors within the latest batch in which all were measured.
    """

    latest: Choices

    def __init__(
        self,
        used: str | None,
        measured: Sequence[str],
        classes: int,
        exclude_group: bool,
        k: int = 1,
        every: int = 1,
        batches: int = 1,
        filtered: Filter = Filter(),  # noqa: B008  it is frozen
    ) -> None:
        self._used, self._k, self._filter = used, k, filtered
        self._names = list(dict.fromkeys([*([used] if used else []), *measured]))
        self._classes, self._exclude_group = classes, exclude_group
        self._every, self._coming, self._number = every, batches, 0
        self._batches: dict[str, list[tuple[int, torch.Tensor]]] = defaultdict(list)
        self._per_class: dict[str, torch.Tensor] = {}
        self._not_finite: dict[str, torch.Tensor] = {}

    @property
    def all_due(self) -> bool:
        """Whether the coming batch is one in which all selectors are measured."""
        return (self._coming - 1) % self._every == 0

    def skip(self) -> None:
        """Let a batch pass in which nothing is due: no selector trains, and none is measured."""
        self._number, self._coming = self._number + 1, self._coming - 1

    @torch.no_grad()
    def add(self, batch: Batch, step: int) -> Partners | None:
        """Measure a batch, the `step`-th of the run; return the partners of the selector that trains, if one does."""
        everything = self.all_due
        chosen = self._add(batch, step, everything) if everything or self._used else None
        self.skip()
        return chosen

    def _add(self, batch: Batch, step: int, everything: bool) -> Partners | None:
        members = self._columns(batch.members)
        own = allowed, relation = self._relations(batch, batch.members)
        others = (allowed & relation.known).sum(dim=1)
        self._count("chance", (relation.same & allowed).sum(dim=1) / others.clamp_min(1), members, others > 0)
        known, nearest, chosen = {}, None, None
        if everything:  # all are compared with the choice of cosine
            known["cosine"] = scored("cosine", batch, allowed.shape)
            nearest = choose(known["cosine"], allowed, batch.own).index[:, 0]
            self.latest = Choices(batch.members.position, allowed)
        for name in self._names if everything else self._names[:1]:
            selector = SELECTORS[name]
            candidates = candidates_of(name, batch)
            allowed, relation = own if selector.in_batch else self._relations(batch, candidates.members)
            scores = known[name] if name in known else scored(name, batch, allowed.shape)
            self.see(f"the selector {name}", scores, step)
            partners = choose(scores, allowed, candidates, self._k if name == self._used else 1)
            self._measure(name, partners, relation, members, selector.in_batch, nearest)
            if selector.in_batch and everything:
                self.latest.first[name] = partners.index[:, 0]
            if name == self._used:
                chosen = partners if self._filter.idle else self._filtered(name, partners, scores, relation, members)
        norm = batch.kernel.diagonal().clamp_min(0).sqrt()
        self._note("gradient_norm_spread", norm.std(unbiased=False) / norm.mean())
        return chosen

    def see(self, where: str, scores: torch.Tensor, step: int) -> None:
        """Note the first step at which scores from `where` are not finite; nothing waits for the device."""
        never = torch.iinfo(torch.int64).max
        now = torch.where(scores.sum().isfinite(), never, step)
        self._not_finite[where] = torch.minimum(self._not_finite[where], now) if where in self._not_finite else now

    def check(self) -> None:
        """Stop the run if any score was not finite.

        Raises:
            InputError: with the step and the layer or selector where it was seen first.
        """
        never = torch.iinfo(torch.int64).max
        steps = {where: int(step) for where, step in self._not_finite.items()}
        where = min(steps, key=lambda w: steps[w], default=None)
        if where is not None and steps[where] < never:
            cure = (
                "lower pretrain.lr or selector.weight"
                if steps[where]
                else "no weight has been trained yet, so the code of this score is wrong: correct it"
            )
            raise InputError(
                f"pretraining diverged: at step {steps[where] + 1} the score of {where} is not a finite number; {cure}"
            )

    def means(self) -> dict[str, float]:
        """Return the epoch's means: rates in [0, 1], in-degrees >= 0; `_macro` is the mean over classes.

        NaN for what no batch had, such as a partner where every other image is excluded.
        """
        overall = {name: float(values.double().nanmean()) for name, values in self.by_batch().items()}
        macro = {}
        for name, sums in self._per_class.items():
            hits, counts = sums.cpu().double()
            macro[f"{name}_macro"] = float((hits / counts)[counts > 0].mean())
        return {**overall, **macro}

    def by_batch(self) -> dict[str, torch.Tensor]:
        """Return every statistic batch by batch, float32 `[batches]`, for standard errors; NaN where there is none."""
        found = {}
        for name, noted in self._batches.items():
            numbers, values = zip(*noted, strict=True)
            found[name] = torch.full((self._number,), torch.nan)
            found[name][list(numbers)] = torch.stack(values).float().cpu()
        return found

    def _relations(self, batch: Batch, others: Members) -> tuple[torch.Tensor, "Relation"]:
        known = batch.members.labelled[:, None] & others.labelled[None, :]
        return batch.allowed(others, self._exclude_group), Relation(batch.same_label(others), known)

    def _measure(
        self,
        name: str,
        partners: Partners,
        relation: "Relation",
        members: torch.Tensor,
        in_batch: bool,
        nearest: torch.Tensor | None,
    ) -> None:
        count = partners.valid.sum(dim=1)
        has_partner, some = count > 0, count.clamp_min(1)
        shared, known = relation.hits(partners)
        self._count(f"{name}/same_label", shared, members, known)
        in_degree = torch.zeros(relation.same.shape[1], device=members.device)
        in_degree.scatter_add_(0, partners.index.flatten(), partners.valid.flatten().float())
        self._note(f"{name}/hub_max", in_degree.max())
        if not in_batch:
            return
        self._mean(f"{name}/mutual", mutual(partners).sum(dim=1) / some, has_partner)
        if nearest is not None:
            agrees = (partners.index == nearest[:, None]) & partners.valid
            self._mean(f"{name}/agrees_with_cosine", agrees.any(dim=1).float(), has_partner)

    def _filtered(
        self, name: str, partners: Partners, scores: torch.Tensor, relation: "Relation", members: torch.Tensor
    ) -> Partners:
        """Return the partners that train; note how many images have some, and how often these share the label."""
        kept = self._filter.kept(partners, scores)
        self._mean(f"{name}/trained", kept.valid.any(dim=1).float(), partners.valid.any(dim=1))
        shared, known = relation.hits(kept)
        self._count(f"{name}/trained_same_label", shared, members, known)
        return kept

    def _columns(self, members: Members) -> torch.Tensor:
        """Return float64 `[B, classes]`: which classes an image counts for; none where its label is unknown."""
        labels = members.labels
        if labels.ndim == 2:
            return labels.double()
        return torch.nn.functional.one_hot(labels.clamp_min(0), self._classes).double() * members.labelled[:, None]

    def _count(self, name: str, value: torch.Tensor, members: torch.Tensor, counted: torch.Tensor) -> None:
        self._mean(name, value, counted)
        weights = members * counted[:, None]
        sums = torch.stack([(value.double()[:, None] * weights).sum(dim=0), weights.sum(dim=0)])
        self._per_class[name] = self._per_class[name] + sums if name in self._per_class else sums

    def _mean(self, name: str, value: torch.Tensor, counted: torch.Tensor) -> None:
        self._note(name, (value * counted).sum() / counted.sum())

    def _note(self, name: str, value: torch.Tensor) -> None:
        self._batches[name].append((self._number, value))


@dataclass(frozen=True)
class Relation:
    """Images of a batch and their candidates, by label.

    Args:
        same: bool `[B, N]`, whether they share it.
        known: bool `[B, N]`, whether both labels are known.
    """

    same: torch.Tensor
    known: torch.Tensor

    def hits(self, partners: Partners) -> tuple[torch.Tensor, torch.Tensor]:
        """Return which share of each image's partners has its label, `[B]`, and bool `[B]` where that is known."""
        counted = self.known.gather(1, partners.index) & partners.valid
        right = self.same.gather(1, partners.index) & counted
        return right.sum(dim=1) / counted.sum(dim=1).clamp_min(1), counted.any(dim=1)


def feature_std(projections: torch.Tensor) -> torch.Tensor:
    """Return how spread the normalised projections `[B, P]` are: about 1 when isotropic, 0 when collapsed.

    The standard deviation of each coordinate over the batch, averaged, times sqrt(P) (Chen and He 2021).
    """
    unit = torch.nn.functional.normalize(projections, dim=-1)
    return unit.std(dim=0, correction=min(1, len(unit) - 1)).mean() * projections.shape[1] ** 0.5
