"""The matrix of a scale: which cells make the study."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """All combinations of data sets, methods and seeds, each run as `with METHOD DATASET SCALE seed=N`.

    Args:
        doc: what it shows, and what it costs.
        datasets, methods: named configs.
        seeds: one run each.
    """

    doc: str
    datasets: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]


PLANS = {
    "smoke": Plan(
        "Everything once, small: DermaMNIST, every method, two seeds. Minutes on two CPU cores.",
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
}
