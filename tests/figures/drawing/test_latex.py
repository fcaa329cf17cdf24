"""The tables in LaTeX itself: they compile with booktabs (and longtable where it says so), and fit the page."""

import re
import shutil
import subprocess

import pytest

from tests.figures.synthetic import CONTRASTIVE, METHODS, add, add_transfers, add_whole_study, config

PDFLATEX = shutil.which("pdflatex")

DOCUMENT = r"""\documentclass{article}
\usepackage[margin=18mm]{geometry}
\usepackage{booktabs}
%s
\begin{document}
%s
\end{document}
"""


@pytest.mark.slow
@pytest.mark.skipif(PDFLATEX is None, reason="needs LaTeX: apt install texlive-latex-recommended")
def test_every_table_compiles_and_fits_between_the_margins(database, draw, tmp_path) -> None:
    made = add_whole_study(
        database, (*METHODS, *CONTRASTIVE, "a_100%_odd & #1 method_{~}^", "[UNK]", "*starred ≥ 3"), seeds=2
    )
    add_whole_study(database, ("byol_tracin",), seeds=2, tracin__normalize="dot")
    add_whole_study(database, ("byol_tracin",), seeds=2, selector__weight=2.0)
    add_transfers(database, {key: run for key, run in made.items() if key[0] in ("byol", "simclr")}, "pneumoniamnist")
    add(database, config("byol", 7, evaluate__fractions=[0.001, 0.01, 0.1, 0.5, 1.0]), status="FAILED")
    tables = sorted(draw("claims", "transfer", "sensitivity", "datasets", *STUDY_TABLES).rglob("*.tex"))
    assert {path.stem for path in tables} == {"claims", "transfer", "sensitivity", "datasets", *STUDY_TABLES}
    for number, path in enumerate(tables):
        text = path.read_text()
        packages = r"\usepackage{longtable}" if "longtable" in text.splitlines()[0] else ""
        (tmp_path / f"{number}.tex").write_text(DOCUMENT % (packages, text))
        words = [str(PDFLATEX), "-interaction=nonstopmode", "-halt-on-error", f"{number}.tex"]
        log = subprocess.run(words, cwd=tmp_path, capture_output=True, check=False, text=True, errors="replace")
        assert log.returncode == 0, (path, log.stdout[-1500:])
        overfull = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", log.stdout)]
        assert max(overfull, default=0) < 2, (path, overfull)


STUDY_TABLES = ("semi_supervised", "comparisons", "selectors", "cost", "settings")
