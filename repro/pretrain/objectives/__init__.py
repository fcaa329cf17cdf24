"""What pretraining minimises: BYOL with or without an additional positive, and its rivals."""

from repro.pretrain.objectives.base import Objective
from repro.pretrain.objectives.byol import ByolObjective
from repro.pretrain.objectives.contrastive import Dcl, NnClr, SimClr

OBJECTIVES: dict[str, type[Objective]] = {"byol": ByolObjective, "simclr": SimClr, "dcl": Dcl, "nnclr": NnClr}
"""By `method.objective`. A new one is a file with a subclass of `Objective`, and an entry here."""

__all__ = ["OBJECTIVES", "Objective"]
