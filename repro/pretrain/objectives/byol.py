"""BYOL and, if a selector is named, the pull towards an additional positive: the paper's method [A], [BYOL]."""

import contextlib
from typing import Any

import torch

from repro.pretrain import processes
from repro.pretrain.bank import PartnerBank
from repro.pretrain.byol import Byol, Outputs, image_losses, partner_losses, tau_at, tau_for
from repro.pretrain.diagnostics import PartnerStatistics, feature_std
from repro.pretrain.encoder import Encoder
from repro.pretrain.objectives.base import Context, Objective
from repro.pretrain.selectors import Batch, Members, used_selector
from repro.pretrain.tracin import OnlineTracin, StoredTracin


class ByolObjective(Objective):
    """L = L_byol + lambda(epoch) mean_i l+_i, with partners measured whether they train or not."""

    model: Byol

    def __init__(self, encoder: Encoder, config: dict[str, Any], context: Context) -> None:
        super().__init__(encoder, config, context)
        self.model = processes.join_norms(Byol(encoder, **config["heads"]))
        if config["pretrain"]["compile"]:
            self.model.compile()
        self.tau = config["pretrain"]["tau"]
        if self.tau is None:
            self.tau = tau_for(config["pretrain"]["renewals"], context.steps)
        self.selector, settings = used_selector(config), config["selector"]
        self.bank = None
        if "queue" in (self.selector, *settings["measured"]):
            self.bank = PartnerBank(
                settings["queue"], config["heads"]["out"], context.classes if context.multi_label else 0
            )
        self.tracin: OnlineTracin | StoredTracin = OnlineTracin(self.model, config["tracin"])
        if context.stored:
            self.tracin = StoredTracin(context.stored, config["tracin"], context.autocast)

    def begin_epoch(self, epoch: int, generator: torch.Generator) -> None:
        """Set lambda, and start the epoch's partner statistics."""
        settings = self.config["selector"]
        self.weight, self.generator, self.renewed = partner_weight(settings, epoch), generator, 0.0
        self.partners = PartnerStatistics(
            self.selector,
            settings["measured"],
            self.context.classes,
            self.config["tracin"]["exclude_group"],
            settings["partners"],
            settings["measure_every"],
            self.context.steps // self.config["pretrain"]["epochs"],
        )

    def losses(self, first: torch.Tensor, second: torch.Tensor, members: Members, step: int) -> dict[str, torch.Tensor]:
        """Return loss, loss_byol and, with a selector, loss_partner; see `Objective.losses`."""
        # Where no selector trains and none is measured, nothing is asked of the batch. A bank wants every batch.
        asked = self.selector is not None or self.bank is not None or self.partners.all_due
        with self.tracin.watching() if asked else contextlib.nullcontext(), self.autocast():
            own: Outputs = self.model(first, second)
        out = own.gathered()
        byol = image_losses(out).mean()
        terms = {"loss": byol, "loss_byol": byol, "feature_std": feature_std(out.z[0].detach())}

        if not asked:
            self.partners.skip()
            return terms
        batch = self._batch(first, second, out, members, step)
        partners = self.partners.add(batch, step)
        if partners is not None:
            terms["loss_partner"] = partner_losses(out, partners, self.config["selector"]["symmetric"]).mean()
            terms["loss"] = byol + self.weight * terms["loss_partner"]
        if self.bank is not None:
            self.bank.add(batch)
        return terms

    def projections(self, images: torch.Tensor) -> torch.Tensor:
        """Return the online projections; see `Objective.projections`."""
        return self.model.projector(self.model.encoder(images))[0]

    def after_step(self, step: int) -> None:
        """Move the target network."""
        tau = tau_at(step, self.context.steps, self.tau)
        self.model.update_target(tau)
        self.renewed += 1 - tau

    def end_epoch(self) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
        """Return lambda, how often the epoch replaced the target (the sum of 1 - tau), and the partner statistics.

        Raises:
            InputError: a score was not finite.
        """
        self.partners.check()
        measured = {f"partners/{name}": value for name, value in self.partners.means().items()}
        own = {"pretrain/lambda": self.weight, "pretrain/renewals": self.renewed}
        return {**own, **measured}, self.partners.by_batch()

    def choices(self) -> dict[str, torch.Tensor]:
        """Return the partners in the epoch's last batch, of every selector that chooses within it."""
        return self.partners.latest.read()

    def _batch(self, first: torch.Tensor, second: torch.Tensor, out: Outputs, members: Members, step: int) -> Batch:
        def see(layer: str, scores: torch.Tensor) -> None:
            self.partners.see(layer, scores, step)

        kernel = self.tracin.kernel(out, first, second, see)
        seen = Outputs(out.p.detach(), out.a.detach(), out.z.detach(), out.t)
        bank = None if self.bank is None else self.bank.candidates(grouped=members.groups is not None)
        return Batch(seen, members, kernel, self.generator, bank)


def partner_weight(settings: dict[str, Any], epoch: int) -> float:
    """Return lambda in an epoch (from 0): 0 during warm-up, a linear ramp, then `weight`; 0 without partners."""
    if settings["name"] == "none":
        return 0.0
    since = epoch - settings["warmup_epochs"]
    if since < 0:
        return 0.0
    return settings["weight"] * min(1.0, (since + 1) / (settings["ramp_epochs"] + 1))
