"""The partners in one batch, for figures."""

from dataclasses import dataclass, field

import torch

SEED = 0
"""Of the random partner beside the chosen ones: apart from all that the run draws."""


@dataclass(frozen=True)
class Choices:
    """The partners in a batch, on its device; nothing waits for the device before they are read.

    Args:
        position: int64 `[B]`, which images of the training split the batch has.
        allowed: bool `[B, B]`: j may be i's partner.
        first: selector -> int64 `[B]`, the place in the batch of each image's first partner.
    """

    position: torch.Tensor
    allowed: torch.Tensor
    first: dict[str, torch.Tensor] = field(default_factory=dict)

    def read(self) -> dict[str, torch.Tensor]:
        """Return images of the training split, int64 `[B]` on the CPU: "batch", and their partner by selector.

        -1 where an image has no partner. "random" is always there, drawn here if that selector did not choose.
        """
        position, allowed = self.position.cpu(), self.allowed.cpu()
        # Two processes, and a run that is executed again, must draw the same.
        drawn = torch.rand(allowed.shape, generator=torch.Generator().manual_seed(SEED))
        places = {"random": drawn.masked_fill(~allowed, -1).argmax(dim=1), **self.first}
        found = {"batch": position}
        for name, place in places.items():
            partner = place.cpu()
            may = allowed.gather(1, partner[:, None])[:, 0]
            found[name] = torch.where(may, position[partner], -1)
        return found
