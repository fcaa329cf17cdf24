"""Base of methods with an additional positive: partners, their measurement and the weight of their loss."""

import contextlib
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from repro.pretrain import processes
from repro.pretrain.bank import PartnerBank
from repro.pretrain.byol import Outputs, Partners
from repro.pretrain.diagnostics import PartnerStatistics, feature_std
from repro.pretrain.encoder import Encoder
from repro.pretrain.filtering import Filter
from repro.pretrain.objectives.base import Context, Objective
from repro.pretrain.selectors import BANK, Batch, Members, banked, used_selector
from repro.pretrain.tracin import ImageLosses, OnlineTracin, StoredTracin


class Partnered(Objective):
    """A loss over two views, and one over partners that a selector chooses; measured whether they train or not.

    A base method says what its networks are (`networks`), which loss of each image pairwise TracIn compares
    (`image_losses`), and what is minimised (`terms`).
    """

    def __init__(self, encoder: Encoder, config: dict[str, Any], context: Context) -> None:
        super().__init__(encoder, config, context)
        self.model = processes.join_norms(self.networks(encoder))
        if config["pretrain"]["compile"]:
            self.model.compile()
        self.selector = used_selector(config)
        self.learned_at: int | None = None
        self.bank = self._bank()
        self.tracin: OnlineTracin | StoredTracin = OnlineTracin(self.model, config["tracin"], self.image_losses())
        if context.stored:
            self.tracin = StoredTracin(context.stored, config["tracin"], context.autocast)

    @classmethod
    def with_partners(cls) -> "type[Objective] | None":
        """Return this class."""
        return cls

    def networks(self, encoder: Encoder) -> nn.Module:
        """Return the networks around `encoder`: two views in, `Outputs` out."""
        raise NotImplementedError

    def image_losses(self) -> ImageLosses:
        """Return the losses whose gradients pairwise TracIn compares."""
        raise NotImplementedError

    def terms(self, out: Outputs, partners: Partners | None) -> dict[str, torch.Tensor]:
        """Return what to minimise as "loss", and its parts; `self.weight` is lambda.

        Args:
            out: the whole batch's outputs.
            partners: who was chosen; None without a selector.
        """
        raise NotImplementedError

    def begin_epoch(self, epoch: int, generator: torch.Generator) -> None:
        """Set lambda, and start the epoch's partner statistics."""
        settings = self.config["selector"]
        self.weight, self.generator = partner_weight(settings, epoch, self.learned_at), generator
        self.partners = PartnerStatistics(
            self.selector,
            settings["measured"],
            self.context.classes,
            self.config["tracin"]["exclude_group"],
            settings["partners"],
            settings["measure_every"],
            self.context.steps // self.config["pretrain"]["epochs"],
            Filter(settings["mutual"], settings["confidence"]),
        )

    def learned(self, epoch: int) -> None:
        """Let the warm-up of selector.start=learned begin; see `Objective.learned`."""
        self.learned_at = epoch

    def losses(self, first: torch.Tensor, second: torch.Tensor, members: Members, step: int) -> dict[str, torch.Tensor]:
        """Return loss, the base method's own and, with a selector, loss_partner; see `Objective.losses`."""
        # Where no selector trains and none is measured, nothing is asked of the batch. A bank wants every batch.
        asked = self.selector is not None or self.bank is not None or self.partners.all_due
        with self.tracin.watching() if asked else contextlib.nullcontext(), self.autocast():
            own: Outputs = self.model(first, second)
        out = own.gathered()
        if asked:
            batch = self._batch(first, second, out, members, step)
            terms = self.terms(out, self.partners.add(batch, step))
            if self.bank is not None:
                self.bank.add(batch)  # after the loss: partners are views of the bank
        else:
            self.partners.skip()
            terms = self.terms(out, None)
        return {**terms, "feature_std": feature_std(self.collapsible(out).detach())}

    def collapsible(self, out: Outputs) -> torch.Tensor:
        """Return what the collapse alarm looks at, `[B, P]`."""
        return out.z[0]

    def end_epoch(self) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
        """Return lambda and the partner statistics.

        Raises:
            InputError: a score was not finite.
        """
        self.partners.check()
        measured = {f"partners/{name}": value for name, value in self.partners.means().items()}
        return {"pretrain/lambda": self.weight, **measured}, self.partners.by_batch()

    def choices(self) -> dict[str, torch.Tensor]:
        """Return the partners in the epoch's last batch, of every selector that chooses within it."""
        return self.partners.latest.read()

    def _batch(self, first: torch.Tensor, second: torch.Tensor, out: Outputs, members: Members, step: int) -> Batch:
        def see(layer: str, scores: torch.Tensor) -> None:
            self.partners.see(layer, scores, step)

        kernel = self.tracin.kernel(out, first, second, see)
        seen = Outputs(out.p.detach(), out.a.detach(), out.z.detach(), out.t)
        settings, normalize = self.config["selector"], self.config["tracin"]["normalize"]
        batch = Batch(seen, members, kernel, self.generator, settings=settings, normalize=normalize)
        if self.bank is None:
            return batch
        last = None
        if self.bank.keeps_gradients:
            assert isinstance(self.tracin, OnlineTracin)  # `used_selector` has refused stored networks
            last = self.tracin.last_layer(seen)
        return replace(batch, bank=self.bank.candidates(grouped=members.groups is not None), last=last)

    def _bank(self) -> PartnerBank | None:
        """Return the memory bank that the selectors need, if any does."""
        config, context, asked = self.config, self.context, banked(self.config)
        if not asked:
            return None
        out, labels = config["heads"]["out"], context.classes if context.multi_label else 0
        gradients = (0, 0, 0)
        if BANK in asked:
            head = self.model.projector if self.model.predictor is None else self.model.predictor
            gradients = (config["tracin"]["views"], head.last.in_features, out)
        return PartnerBank(config["selector"]["queue"], out, labels, gradients)


def partner_weight(settings: dict[str, Any], epoch: int, learned_at: int | None = None) -> float:
    """Return lambda in an epoch (from 0): 0 during warm-up, a linear ramp, then `weight`; 0 without partners.

    Args:
        settings: the `selector` settings.
        epoch: which.
        learned_at: for start=learned, the first epoch after the networks had learned something; None before.
    """
    begins = 0 if settings["start"] == "epochs" else learned_at
    if settings["name"] == "none" or begins is None:
        return 0.0
    since = epoch - begins - settings["warmup_epochs"]
    if since < 0:
        return 0.0
    return settings["weight"] * min(1.0, (since + 1) / (settings["ramp_epochs"] + 1))
