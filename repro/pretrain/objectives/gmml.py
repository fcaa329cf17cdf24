"""Group masked model learning (Atito et al. 2022): restore groups of patches that noise or another image replaced."""

from typing import Any

import torch
from torch import nn

from repro.errors import InputError
from repro.pretrain import processes
from repro.pretrain.corruption import boxes_over, drawn, noise_like
from repro.pretrain.diagnostics import feature_std
from repro.pretrain.encoder import Encoder
from repro.pretrain.objectives.base import Context, Objective
from repro.pretrain.precision import exact
from repro.pretrain.selectors import Members


class Gmml(Objective):
    """The distance (L1) between replaced patches and what a light decoder makes of a ViT's tokens, in both views.

    It needs an encoder with `tokens`, from images `[B, 3, S, S]` to `[B, T, D]`, one for each of its square patches of
    `patch` pixels, row by row.
    """

    @classmethod
    def check(cls, config: dict[str, Any]) -> None:
        """Refuse an encoder without tokens."""
        from repro.pretrain.trainer import new_encoder  # which imports the objectives

        if getattr(new_encoder(config), "patch", None) is None:
            raise InputError(
                f"method {config['method']['name']} masks patches, and encoder.arch={config['encoder']['arch']} has no "
                "token per patch; take a ViT, or a method that serves any encoder, such as restore"
            )

    def __init__(self, encoder: Encoder, config: dict[str, Any], context: Context) -> None:
        super().__init__(encoder, config, context)
        self.patch: int = encoder.patch  # type: ignore[assignment]
        decoder = nn.Sequential(
            nn.Linear(encoder.features, encoder.features), nn.GELU(), nn.Linear(encoder.features, 3 * self.patch**2)
        )
        self.model = processes.join_norms(nn.ModuleDict({"encoder": encoder, "decoder": decoder}))
        if config["pretrain"]["compile"]:
            self.model.compile()

    def losses(self, first: torch.Tensor, second: torch.Tensor, members: Members, step: int) -> dict[str, torch.Tensor]:
        """Return the distance; see `Objective.losses`."""
        terms, pooled = [], []
        for view in (first, second):
            spoilt, replaced = self.spoilt(view)
            with self.autocast():
                tokens = self.model["encoder"].tokens(spoilt)
                restored = self.model["decoder"](tokens)
            away = (exact(restored) - patches(view, self.patch)).abs().mean(dim=2)
            each = processes.gathered((away * replaced).sum(dim=1)), processes.gathered(replaced.sum(dim=1))
            terms.append(each[0].sum() / each[1].sum())
            pooled.append(exact(tokens.detach()).mean(dim=1))
        return {"loss": torch.stack(terms).mean(), "feature_std": feature_std(processes.gathered(pooled[0]))}

    def projections(self, images: torch.Tensor) -> torch.Tensor:
        """Return the mean token; see `Objective.projections`."""
        return self.model["encoder"].tokens(images).mean(dim=1)

    def spoilt(self, view: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a view `[B, 3, S, S]` with groups of its patches replaced, and which, bool `[B, T]`."""
        n, side = len(view), view.shape[-1] // self.patch
        groups = boxes_over(n, side, self.config["gmml"]["replaced"], view.device)
        where = groups.repeat_interleave(self.patch, dim=1).repeat_interleave(self.patch, dim=2)
        by_noise = drawn(n, device=view.device) < self.config["gmml"]["noise"]
        # Another image of the whole batch: the one some places further on.
        batch, own = n * processes.count(), processes.share(n * processes.count())
        further = 1 + int(torch.randint(max(1, batch - 1), ()))
        other = processes.gathered(view).roll(further, dims=0)[own]
        instead = torch.where(by_noise[:, None, None, None], noise_like(view), other)
        return torch.where(where[:, None], instead, view), groups.flatten(1)


def patches(images: torch.Tensor, side: int) -> torch.Tensor:
    """Return images `[B, C, S, S]` as their square patches, row by row, `[B, T, C side side]`."""
    n, channels, size, _ = images.shape
    count = size // side
    cut = images.reshape(n, channels, count, side, count, side).permute(0, 2, 4, 1, 3, 5)
    return cut.reshape(n, count**2, channels * side**2)


OBJECTIVE = Gmml
