"""A plan in print: what is done, and a range of times for the rest."""

import platform
from datetime import datetime, timedelta

from pymongo.database import Database

from repro.reproduce.study.cells import cells
from repro.reproduce.study.cost import Cost, stored_seconds
from repro.reproduce.study.plan_table import table


def test_done_cells_are_marked_and_cost_nothing_more():
    study = cells("smoke", methods=["byol", "simclr"], seeds=[0, 1])
    left = [Cost(60.0, 1.0), Cost(120.0, 1.0, stored=True)]
    done = [True, False, True, False]
    first, second = table(study, done, left, jobs=2).splitlines()[1:3]
    assert first.split()[-3:] == ["byol", "2", "2"]
    assert " ".join(second.split()).endswith("simclr 2 0 60 s 2.2 min to 4.5 min")
    *_, counted, time = table(study, done, left, jobs=2).splitlines()
    assert counted.startswith("4 cells: 2 done, 2 to run. Of these 2 pretrain and 0 evaluate")
    # 60 s by a probe: 30 to 120; 120 s by a stored run: 96 to 150; on two jobs half of the sums
    assert "2 at once: 63 s to 2.3 min (estimated: 1 by stored runs of this machine, 1 by a probe" in time


def test_a_finished_study_has_no_time_left():
    study = cells("smoke", methods=["byol"], seeds=[0])
    *_, last = table(study, [True], []).splitlines()
    assert (
        last == "1 cells: 1 done, 0 to run. Of these 0 pretrain and 0 evaluate an encoder that another cell pretrained."
    )


def test_the_times_of_stored_runs_are_those_of_this_machine(database: Database):
    study = cells("smoke", methods=["byol"], seeds=[0, 1])
    series, began = study[0].identity["series"], datetime(2026, 11, 30)
    for run_id, (host, seconds, status) in enumerate(
        [(platform.node(), 60, "COMPLETED"), (platform.node(), 100, "COMPLETED"), ("other", 9, "COMPLETED"),
         (platform.node(), 1, "FAILED")], start=1,
    ):  # fmt: skip
        database.runs.insert_one(
            {
                "_id": run_id, "status": status, "info": {"series": f"{series}-12345678"}, "host": {"hostname": host},
                "start_time": began, "stop_time": began + timedelta(seconds=seconds),
            }
        )  # fmt: skip
    assert stored_seconds(database, study) == {series: 80.0}
