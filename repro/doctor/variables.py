"""Variables of the environment that will surprise."""

import os
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

from repro import ranks
from repro.doctor.finding import Finding, failing, note
from repro.errors import InputError, did_you_mean
from repro.store.address import VARIABLES, named_address

TITLE = "variables"

OWN = (
    *VARIABLES,
    "REPRO_DATA", "REPRO_RUNS", "REPRO_RESULTS", "REPRO_MIRROR",
    "REPRO_UID", "REPRO_GID",
)  # fmt: skip
"""What the kit and its compose files read."""

LONGEST_FOR_SOCKETS = 75
"""Characters of TMPDIR up to which Python's own sockets fit below it."""

PINNING = ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY")

FEWEST_FILES = 1024


def findings() -> Iterator[Finding]:
    """Yield what is set to something unusual."""
    yield from _processes()
    yield from _address()
    for name in sorted(os.environ):
        if name.startswith("REPRO_") and name not in OWN and (meant := did_you_mean(name, OWN)):
            yield note(f"{name} is set, which the kit does not read.{meant}", "Rename it or unset it")
    yield from _places()
    yield from _threads()
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1", "NoDevFiles"):
        yield note("CUDA_VISIBLE_DEVICES hides every GPU", "Unset it to train on one")
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= files < FEWEST_FILES:
        yield note(f"at most {files} open files", f"`ulimit -n {FEWEST_FILES}` before Ray, or many jobs at once")
    memory, _ = resource.getrlimit(resource.RLIMIT_AS)
    if memory != resource.RLIM_INFINITY:
        what = f"address space is limited to {memory / 1e9:.0f} GB, and torch maps much more than it uses"
        yield note(what, "`ulimit -v unlimited`")


def _processes() -> Iterator[Finding]:
    try:
        place = ranks.place()
        ranks.local()
    except InputError as error:
        what, _, cure = str(error).partition(". ")
        yield failing(what, cure, ("run", "reproduce"))
        return
    if place.world > 1:
        yield failing(
            f"WORLD_SIZE={place.world}: `repro.run` waits for so many processes, and `repro.reproduce` is always one",
            "Unless torchrun or a cluster means it: `unset WORLD_SIZE RANK LOCAL_RANK`",
            ("reproduce",),
        )


def _address() -> Iterator[Finding]:
    try:
        named_address()
    except InputError as error:
        yield failing(str(error), "See .env.example")


def _places() -> Iterator[Finding]:
    try:
        folder = tempfile.gettempdir()
    except FileNotFoundError:
        yield failing("no folder for temporary files can be written to", "Point TMPDIR to one of your own")
        return
    wanted = os.environ.get("TMPDIR")
    if wanted and Path(wanted).absolute() != Path(folder).absolute():
        yield note(f"TMPDIR={wanted} cannot be written to; {folder} is used", "Make it, or unset TMPDIR")
    elif len(os.fsencode(folder)) > LONGEST_FOR_SOCKETS:
        yield note(
            f"TMPDIR has {len(os.fsencode(folder))} characters, too many for sockets",
            "Figures begin more slowly and Ray uses /tmp; a path of 35 characters or fewer avoids both",
        )
    home = os.environ.get("HOME", "")
    if not os.access(home or "/", os.W_OK) or not Path(home).is_dir():
        yield note(f"HOME={home or '(not set)'} cannot be written to, which nothing here needs",
                   "For ImageNet weights point TORCH_HOME to a folder of your own")  # fmt: skip


def _threads() -> Iterator[Finding]:
    count = os.environ.get("OMP_NUM_THREADS", "")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if count.isdecimal() and int(count) > cores:
        yield note(f"OMP_NUM_THREADS={count}, but {cores} cores may be used", "Threads wait for each other; unset it")
    if os.environ.get("OMP_WAIT_POLICY", "").upper() == "ACTIVE":
        yield note("OMP_WAIT_POLICY=ACTIVE lets waiting threads take cores from working ones", "Unset it")
    if pinned := [name for name in PINNING if os.environ.get(name, "").lower() not in ("", "false")]:
        yield note(f"{', '.join(pinned)} binds threads: runs beside each other share the same cores", "Unset it")
