"""A study in one line, against the table that it is taken from."""

from figures.artefacts import semi_supervised
from figures.page.exhibits import Exhibit
from figures.page.study_summary import summary
from tests.figures.synthetic import Memory, add_study, evidence_of


def line(memory: Memory) -> tuple[str, dict[str, str]]:
    """The line, and the cells of fine-tuning with the fewest labels by method."""
    evidence = evidence_of(memory)
    table = semi_supervised.make(evidence)
    assert table is not None
    cells = {label: str(row[0]) for label, row in table.grid.groups[0].rows}
    return summary(evidence.study, [Exhibit(semi_supervised.ARTEFACT, table, "", {})]), cells


def test_the_line_gives_the_scores_of_byol_the_papers_method_and_the_best() -> None:
    memory = Memory()
    add_study(memory, ("random_init", "supervised", "simclr", "byol", "byol_tracin"), seeds=3)
    told, cells = line(memory)
    assert told.startswith("5 methods, 15 runs, 3 seeds (0, 1, 2). Fine-tuning, 1 % of labels, balanced accuracy (%): ")
    assert f"BYOL {cells['BYOL']}; BYOL + TracIn {cells['BYOL + TracIn']}" in told
    best = max(cells, key=lambda label: float(cells[label].partition(" ")[0]))
    assert best in told


def test_a_study_without_scores_says_how_much_was_run() -> None:
    memory = Memory()
    add_study(memory, ("byol",), seeds=1)
    assert summary(evidence_of(memory).study, []) == "1 method, 1 run, seed 0."
