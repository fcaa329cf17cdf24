"""Re-execution of a stored run from its config alone, in a process with a temporary run database.

`python -m repro.reproduce.verification.reexecution FOLDER` is that process: FOLDER/task.json is its task,
FOLDER/outcome.json the outcome.
"""

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gridfs import GridFS
from pymongo import MongoClient
from pymongo.database import Database

from repro.configs.resolve import check, defaults, flat, plain, put, settings
from repro.configs.setting import ALWAYS
from repro.data.folder import prepared_folder
from repro.data.prepare.cache import MANIFEST
from repro.errors import InputError, StorageError, front_door
from repro.execution.resources import images_of
from repro.files import write_whole
from repro.provenance import ROOT, THREADS
from repro.reproduce.engines.pool import end_with
from repro.store import embedded, find_runs, open_database, problems_of
from repro.store.address import VARIABLES
from repro.store.connect import DATABASE

STOP_SECONDS = 15
"""How long the process may take to leave when it is asked to."""


@contextlib.contextmanager
def executed_again(database: Database, run: Mapping[str, Any]) -> Iterator[tuple[Database, dict[str, Any]]]:
    """Execute a stored run again and yield (database, run document) of the new one; both are gone afterwards.

    Nothing of the user's run folder is written to, and of it only decoded images are read. Threads are set as they
    were: bits depend on their number.

    Args:
        database: where the run is stored, and the run whose encoder or networks it takes, if it does.
        run: its document.

    Raises:
        InputError: it cannot be executed here: other data, no data, no such device, a setting that is no more.
        StorageError: the new record is not whole.
    """
    config = completed(run["config"])
    if "threads" not in run["config"]:  # of an earlier version, which took as many as there were cores
        config["threads"] = run["info"]["provenance"].get("threads") or config["threads"]
    with tempfile.TemporaryDirectory(prefix="repro-verify-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with embedded.server(folder / "db") as uri, cleaned_up_if_killed(folder):
            client: MongoClient = MongoClient(uri)
            with client:
                store = client[DATABASE]
                for run_id in earlier_runs(config):
                    _copy(database, store, run_id)
                link_prepared(folder / "prepared")
                new = _execute(folder, run, config)
                yield store, store.runs.find_one({"_id": new}) or {}


@contextlib.contextmanager
def cleaned_up_if_killed(folder: Path) -> Iterator[None]:
    """If this process is killed meanwhile, let another stop the server in `folder`/db and delete `folder`."""
    program = (
        'read -r _; pid=$(cat "$1/db/server.pid"); kill $pid; n=0; '  # its input ends with us
        'while kill -0 $pid && [ $n -lt 300 ]; do sleep 0.1; n=$((n + 1)); done; kill -9 $pid; rm -rf "$1"'
    )
    with subprocess.Popen(
        ["sh", "-c", program, "sh", str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as watch:
        try:
            yield
        finally:
            watch.kill()  # before our end of its input is closed


def completed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored config as it is; settings that did not exist when it was stored get what runs did then.

    That is `Setting.absent` where it is given, and else the default.

    Raises:
        InputError: it has a setting that no longer exists, or a value that is no longer allowed.
    """
    result = _unsaid()
    for key, value in flat(plain(config)):
        put(result, key, value)
    check(result)
    return result


def added_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that did not exist when a config was stored, and what they are now."""
    stored = dict(flat(config))
    return {key: value for key, value in flat(_unsaid()) if key not in stored}


def _unsaid() -> dict[str, Any]:
    """Return the value of every setting for a stored config that does not have it."""
    config = defaults()
    for key, setting in settings():
        if setting.absent is not ALWAYS:
            put(config, key, setting.absent)
    return config


def earlier_runs(config: Mapping[str, Any]) -> list[int]:
    """Return the ids of the runs whose encoder or networks a run takes."""
    ids = [config["evaluate"]["pretraining"]]
    if config["tracin"]["source"] != "online":
        ids.append(config["tracin"]["pretraining"])
    return sorted({run_id for run_id in ids if run_id is not None})


def link_prepared(folder: Path) -> None:
    """Make the user's decoded sets readable in `folder`; whatever has to be decoded anew is written there."""
    for manifest in prepared_folder().glob(f"*/*/{MANIFEST}"):
        ready = manifest.parent
        if ready.suffix not in (".partial", ".older"):
            (folder / ready.parent.name).mkdir(parents=True, exist_ok=True)
            (folder / ready.parent.name / ready.name).symlink_to(ready, target_is_directory=True)


def _copy(source: Database, target: Database, run_id: int) -> None:
    """Copy a run with its metrics and artifacts, under the same id."""
    run = next(iter(find_runs(source, _id=run_id)), None)
    problems = ["it is not in the run database"] if run is None else problems_of(source, run)
    if run is None or problems:
        raise InputError(f"it rests on run {run_id}, and {'; '.join(problems)}")
    for series in source.metrics.find({"run_id": run_id}):
        target.metrics.insert_one(series)
    for artifact in run["artifacts"]:
        with GridFS(source).get(artifact["file_id"]) as content:
            GridFS(target).put(content, _id=artifact["file_id"], filename=content.filename, metadata=content.metadata)
    target.runs.insert_one(run)


def _environment(folder: Path, provenance: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment of the process: no database but its own, and threads as they were."""
    threads = provenance.get("thread_settings", {})
    left_out = (*VARIABLES, *(name for name in THREADS if name in threads))
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    told = {name: value for name, value in threads.items() if name in THREADS and value is not None}
    return {**kept, **told, "PYTHONPATH": path, "REPRO_RUNS": str(folder)}


def _execute(folder: Path, run: Mapping[str, Any], config: dict[str, Any]) -> int:
    """Let the process execute the run, and return the new run's id."""
    provenance = run["info"]["provenance"]
    task = {
        "command": run["command"],
        "config": config,
        "data_sha256": run["info"]["data"]["sha256"],
    }
    (folder / "task.json").write_text(json.dumps(task))
    _wait_for_process(folder, _environment(folder, provenance))
    outcome = json.loads((folder / "outcome.json").read_text())
    if "reason" in outcome:
        raise InputError(outcome["reason"])
    return outcome["run"]


def _wait_for_process(folder: Path, environment: Mapping[str, str]) -> None:
    """Run the process to its end; it ends with us, too."""
    command = [sys.executable, "-W", "ignore", "-m", "repro.reproduce.verification.reexecution", str(folder)]
    # In a session of its own it is spared our Ctrl-C, and whatever it started can be ended with it. It ends with its
    # standard input, even if we are killed.
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=2, start_new_session=True) as process:
        try:
            code = process.wait()
        except BaseException:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
    if not (folder / "outcome.json").exists():
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}; its last output is above"
        raise InputError(f"repeating it failed ({how})")


def main(arguments: list[str]) -> None:
    """Execute the task of a folder, and note what became of it."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING, stream=sys.stderr)
    # No lock of Python's is held meanwhile, so that it can shut down while the thread still waits.
    end_with(lambda: os.read(sys.stdin.fileno(), 1))
    from repro.execution.experiment import execute  # torch takes seconds to import

    folder = Path(arguments[0])
    task = json.loads((folder / "task.json").read_text())
    outcome: dict[str, Any]
    try:
        _refuse_other_data(task)
        with open_database() as database:
            outcome = {"run": execute(database, task["command"], task["config"], [])}
    except (InputError, StorageError) as error:
        outcome = {"reason": " ".join(str(error).split())}
    write_whole(folder / "outcome.json", json.dumps(outcome).encode())


def _refuse_other_data(task: Mapping[str, Any]) -> None:
    """Raise InputError unless the images and labels are those of the run; before anything is computed."""
    sha256 = images_of(task["config"]).describe()["sha256"]
    if sha256 != task["data_sha256"]:
        raise InputError(
            f"the images or labels of {task['config']['data']['name']} are other ones: SHA-256 "
            f"{task['data_sha256'][:12]} then, {sha256[:12]} now; point REPRO_DATA to those of the run"
        )


if __name__ == "__main__":
    front_door(main)
