"""What of the machine is free to us, as files of the system tell it: control groups of both versions."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from repro import machine
from tests.conftest import ROOT

GB = 10**9


def system(root: Path, files: dict[str, str]) -> Path:
    """Write files as `/proc` and `/sys` hold them."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


def meminfo(available: int) -> dict[str, str]:
    return {"proc/meminfo": f"MemTotal: {2 * available // 1024} kB\nMemAvailable: {available // 1024} kB\n"}


def group(folder: str, limit: str, used: int, droppable: int, version: int) -> dict[str, str]:
    names = ("memory.max", "memory.current", "inactive_file")
    if version == 1:
        names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
    told = (f"{limit}\n", f"{used}\n", f"anon 5\n{names[2]} {droppable}\n")
    return {f"{folder}/{name}": text for name, text in zip((*names[:2], "memory.stat"), told, strict=True)}


def test_without_limits_the_whole_machine_is_free(tmp_path: Path):
    assert machine.memory(system(tmp_path, meminfo(8 * 1024**3))) == 8 * 1024**3
    assert machine.memory(tmp_path / "nothing") is None


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ({"": (str(4 * GB), 3 * GB, GB)}, 2 * GB),
        ({"": ("max", 3 * GB, GB)}, 16 * GB),
        ({"": (str(4 * GB), 3 * GB, 0), "/pod/box": (str(9 * GB), GB, 0)}, GB),
        ({"": (str(9 * GB), GB, 0), "/pod/box": (str(2 * GB), GB, 0)}, GB),
        ({"": (str(GB), 2 * GB, 0)}, 0),
    ],
)
@pytest.mark.parametrize("version", [1, 2])
def test_the_tightest_control_group_around_us_counts(
    tmp_path: Path, version: int, groups: dict[str, tuple[str, int, int]], expected: int
):
    top, kinds = ("sys/fs/cgroup/memory", "memory") if version == 1 else ("sys/fs/cgroup", "")
    files = {"proc/self/cgroup": f"7:pids:/pod\n4:{kinds}:/pod/box\n", **meminfo(16 * GB // 1024 * 1024)}
    for place, (limit, used, droppable) in groups.items():
        files |= group(top + place, limit, used, droppable, version)
    assert machine.memory(system(tmp_path, files)) == pytest.approx(expected, abs=1024)


def test_what_a_process_shares_with_others_is_not_its_own(tmp_path: Path):
    lines = "Rss: 900 kB\nPss: 500 kB\nShared_Clean: 300 kB\nPrivate_Clean: 100 kB\nPrivate_Dirty: 250 kB\nSwap: 7 kB\n"
    assert machine.private(42, system(tmp_path, {"proc/42/smaps_rollup": lines})) == 357 * 1024
    assert machine.private(43, tmp_path) == 0
    assert machine.private(os.getpid()) > 0


def test_what_it_started_is_its_own(tmp_path: Path):
    files = {f"proc/{process}/smaps_rollup": f"Private_Dirty: {process} kB\n" for process in (40, 41, 42, 43)}
    children = {
        "proc/40/task/40/children": "41 99 ",
        "proc/40/task/50/children": "42 ",
        "proc/42/task/42/children": "43",
    }
    assert machine.private(40, system(tmp_path, {**files, **children})) == (40 + 41 + 42 + 43) * 1024


def test_cores_are_those_that_this_process_may_use():
    first = min(os.sched_getaffinity(0))
    script = f"import os; os.sched_setaffinity(0, [{first}]); from repro import machine; print(machine.cores())"
    assert subprocess.check_output([sys.executable, "-W", "ignore", "-c", script], cwd=ROOT, text=True) == "1\n"


@pytest.mark.parametrize("told", [None, "ACTIVE"])
@pytest.mark.parametrize("room", ["repro.run", "repro.reproduce", "repro.db", "repro.bench", "repro.data", "figures"])
def test_threads_that_wait_sleep_unless_the_user_wants_otherwise(room: str, told: str | None):
    """Whatever is started: said before torch, and so OpenMP, is loaded."""
    script = (
        "import os, sys, importlib.util\n"
        f"importlib.util.find_spec('{room}.__main__' if '{room}' in ('repro.data', 'figures') else '{room}')\n"
        "assert 'torch' not in sys.modules\n"
        f"import {room}\nprint(os.environ.get('OMP_WAIT_POLICY'))"
    )
    own = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
    environment = own if told is None else {**own, "OMP_WAIT_POLICY": told}
    printed = subprocess.check_output(
        [sys.executable, "-W", "ignore", "-c", script], cwd=ROOT, env=environment, text=True
    )
    assert printed.split()[-1] == (told or "PASSIVE")


def test_the_work_of_all_cores_is_counted_without_idle_time_and_waiting(tmp_path: Path):
    ticks = os.sysconf("SC_CLK_TCK")
    numbers = " ".join(str(ticks * seconds) for seconds in (10, 2, 3, 5000, 700, 1, 1, 4, 9, 0))
    system(tmp_path, {"proc/stat": f"cpu  {numbers}\ncpu0 {numbers}\n"})
    assert machine.busy(tmp_path) == 10 + 2 + 3 + 1 + 1 + 4  # guests are part of user
    assert math.isnan(machine.busy(tmp_path / "nothing"))
