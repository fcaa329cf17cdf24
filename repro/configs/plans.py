"""The matrix of a scale: which cells make the study."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """All combinations of data sets, methods and seeds, each run as `COMMAND with METHOD DATASET SCALE seed=N`.

    Args:
        doc: what it shows, and what it costs.
        datasets, methods: named configs.
        seeds: one run each.
        command: train, or pretrain where only that is of interest.
    """

    doc: str
    datasets: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    command: str = "train"


PLANS = {
    "smoke": Plan(
        "The comparison, small: DermaMNIST, seven methods, two seeds. Minutes on two CPU cores.",
        datasets=("dermamnist",),
        methods=(
            "random_init",
            "supervised",
            "byol",
            "byol_random",
            "byol_cosine",
            "byol_tracin",
            "byol_oracle",
        ),
        seeds=(0, 1),
    ),
    "partners": Plan(
        "The table of selectors: procedural images, the paper's method and plain BYOL, five seeds, pretraining alone. "
        "Five minutes on two CPU cores; then `python -m figures selectors` prints it.",
        datasets=("phantom",),
        methods=("byol", "byol_tracin"),
        seeds=(0, 1, 2, 3, 4),
        command="pretrain",
    ),
}
