"""The Sacred experiment: its commands, and one recorded, resumable execution of them."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pymongo.database import Database
from sacred import SETTINGS, Experiment
from sacred.host_info import HostInfoGetter
from sacred.run import Run

from repro.configs import NAMED, SCALES, WITHOUT_PRETRAINING
from repro.configs.identity import identity
from repro.configs.resolve import defaults, flat
from repro.configs.show import changed, in_short
from repro.errors import InputError, StorageError
from repro.evaluate.budget import allowed_protocols, check_steps
from repro.execution.lineage import source_of_tracin, stored_pretraining
from repro.execution.output_capture import Captured, capturing
from repro.execution.procedure import (
    Procedure,
    device_of,
    needs_pretraining,
    pretrains,
)
from repro.execution.resources import checkpoint_folder, content_of, images_of
from repro.pretrain import processes
from repro.pretrain.checkpoint import Checkpoint
from repro.pretrain.duration import seconds_of_pretraining
from repro.pretrain.encoder_description import described
from repro.pretrain.objectives import used_objective
from repro.pretrain.selectors import used_selector
from repro.progress import time_left
from repro.provenance import ROOT, code, processor, versions
from repro.store import find_runs
from repro.store.connect import runs_folder_id
from repro.store.delivery import deliver_left_over
from repro.store.foreign import EXPERIMENT
from repro.store.liveness import close_earlier
from repro.store.observer import DurableObserver
from repro.threads import use_threads

log = logging.getLogger("repro")
quiet: Any = logging.getLogger("repro.sacred")  # Sacred's own messages
quiet.setLevel(logging.CRITICAL)  # how a run ended we say ourselves

SETTINGS.CAPTURE_MODE = "no"  # we capture ourselves (`repro.execution.output_capture`)
SETTINGS.DISCOVER_SOURCES = "none"  # every file of the kit is named below; Sacred would guess
SETTINGS.DISCOVER_DEPENDENCIES = "none"  # the provenance has the versions and the hash of the lock
SETTINGS.HOST_INFO.INCLUDE_CPU_INFO = False


STOPPED = {
    True: "the same command resumes from the last checkpoint",
    False: "there was no checkpoint yet, so nothing was saved; the same command begins again",
}


def build(database: Database, facts: dict[str, Any]) -> Experiment:
    """Return the experiment with its commands and named configs.

    Args:
        database: the run database, for what a run takes from earlier ones.
        facts: what every run's `info` says from its first moment.
    """
    machine = [HostInfoGetter(processor, "processor")]  # Sacred's own way to tell the CPU takes a second
    experiment = Experiment(EXPERIMENT, base_dir=str(ROOT), save_git_info=False, additional_host_info=machine)
    experiment.logger = quiet
    experiment.add_config(defaults())
    for name, config in NAMED.items():
        experiment.add_named_config(name, config.values)
    for source in sorted((ROOT / "repro").rglob("*.py")):
        experiment.add_source_file(str(source))
    _tell_origin(experiment)

    @experiment.main
    def train(_run: Run) -> dict[str, float]:
        """Pretrain, then evaluate: the default."""
        return Procedure(_run, facts, database).train()

    @experiment.command
    def pretrain(_run: Run) -> None:
        """Only pretrain; the encoder is stored with the run."""
        Procedure(_run, facts, database).pretrain_only()

    @experiment.command
    def evaluate(_run: Run) -> dict[str, float]:
        """Only evaluate a stored encoder: evaluate.pretraining=RUN_ID, on any data set."""
        return Procedure(_run, facts, database).evaluate_stored()

    return experiment


def _tell_origin(experiment: Experiment) -> None:
    """Say where Sacred's tools look for it what the provenance says: package versions, commit."""
    for name, version in versions().items():
        if version is not None:
            experiment.add_package_dependency(name, version)
    about = code()
    main = next(source for source in experiment.sources if source.filename == str(Path(__file__).resolve()))
    if about["commit"] is not None:
        main.repo, main.commit, main.is_dirty = EXPERIMENT, about["commit"], about["dirty"]


def execute(
    database: Database,
    command: str,
    config: dict[str, Any],
    named: list[str],
    superseded: Callable[[], bool] = lambda: False,
) -> int:
    """Run one command of the experiment, recorded in `database`, and return its run id.

    Args:
        database: the run database.
        command: "train", "pretrain" or "evaluate".
        config: the resolved config; `named` are the named configs in it.
        superseded: asked once no other process can begin the same any more: whether one has completed it meanwhile.

    Raises:
        BusyError: it was superseded, or another process does it now.
        InputError: the data, the settings together or the device are not to be had, or another process is to record.
        StorageError: the record could not be stored whole.
    """
    with capturing() as captured:
        return _execute(database, command, config, named, superseded, captured)


def _execute(
    database: Database,
    command: str,
    config: dict[str, Any],
    named: list[str],
    superseded: Callable[[], bool],
    captured: Captured,
) -> int:
    if not processes.is_first():
        raise InputError("torchrun is for single runs (`torchrun ... -m repro.run`); start this command without it")
    for run_id in deliver_left_over(database):
        log.info("wrote the rest of the record of run %d to the database", run_id)
    # Bad input is found before a run is on record.
    use_threads(config["threads"])
    device = device_of(config)
    if command == "pretrain":
        needs_pretraining(config)
    allowed_protocols(config)
    check_steps(config)
    used_selector(config)
    if config["method"]["objective"] not in WITHOUT_PRETRAINING:
        used_objective(config)
    about = described(config, command)
    origins = _origins(database, command, config)
    log.info("%s", in_short(config, named))
    facts = {**identity(config, command, origins), "runs_folder": runs_folder_id()}
    facts["images"] = content_of(images_of(config))
    if command != "evaluate" and pretrains(config, command) and not set(named) & set(SCALES):
        seconds = seconds_of_pretraining(config, len(images_of(config).pretraining), device)
        log.info("no scale was named: pretraining takes about %s here; name a scale, such as smoke", time_left(seconds))
    if "evaluate.pretraining" in origins:
        facts["pretrained_on"] = origins["evaluate.pretraining"]["data"]
    for kind in ("series", "study"):  # two copies of a data set that differ must not share a table
        facts[kind] += f"-{facts['images']}"
    same = {"info__cell": facts["cell"], "info__images": facts["images"], "status": "COMPLETED"}
    if command != "evaluate" and (done := find_runs(database, **same)):
        log.info("run %d has the same settings and images; this run repeats it", done[-1]["_id"])
    experiment = build(database, {**facts, "encoder": about})
    observer = DurableObserver(database, facts, superseded)
    experiment.observers.append(observer)
    experiment.captured_out_filter = lambda _: captured.text()  # type: ignore[assignment]
    with Checkpoint(checkpoint_folder(config)).owned() as checkpoint:
        try:
            # Every value as it was resolved and hashed: Sacred by itself would keep a 2 where 2.0 is meant.
            told = {"config_updates": changed(config)}
            run = experiment.run(command, dict(flat(config)), named, meta_info=told)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                log.warning("stopped: %s", STOPPED[checkpoint.exists])
            _last_heartbeat(experiment)
            observer.output(captured.text())  # Sacred keeps nothing of what came after its last beat
            try:
                observer.finish()
            except StorageError as storage:  # it must not hide why the run ended
                log.error("%s", storage)
            raise
        _last_heartbeat(experiment)
        observer.finish()
        checkpoint.delete()
    assert observer.run_id is not None
    close_earlier(database, observer.run_id)
    log.info("run %d is stored whole%s", observer.run_id, _summary(config, run.result))
    log.info("next: `python -m repro.db show %d`, or `python -m figures` for tables and figures", observer.run_id)
    return observer.run_id


def _origins(database: Database, command: str, config: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Return the identity of the runs that this one builds on, by the setting that names each."""
    found = {}
    pretraining = stored_pretraining(database, config) if command == "evaluate" else None
    if pretraining is not None:
        found["evaluate.pretraining"] = {kind: pretraining["info"][kind] for kind in ("cell", "series")}
        found["evaluate.pretraining"]["data"] = pretraining["config"]["data"]["name"]
    source = source_of_tracin(database, config)
    if source is not None:
        found["tracin.pretraining"] = {
            "cell": source["info"]["cell"],
            # How often it kept its networks says which ones K is summed over.
            "series": f"{source['info']['series']}-{source['config']['pretrain']['keep_every']}",
        }
    return found


def _last_heartbeat(experiment: Experiment) -> None:
    """Wait for the beat that carries a run's last metrics: Sacred itself waits two seconds, whatever the disk does."""
    run = experiment.current_run
    if run is not None and run._heartbeat is not None:
        run._heartbeat.join()


def _summary(config: dict[str, Any], result: dict[str, float] | None) -> str:
    """Return the main test scores as a small table, protocols below each other; or that there is an encoder."""
    if not result:
        return ": its encoder is stored"
    protocols = list(dict.fromkeys(name.split("/")[0] for name in result))
    percents = list(dict.fromkeys(name.split("/")[1] for name in result))
    metric = "mean AUC" if images_of(config).multi_label else "balanced accuracy"
    head = f"{'labels':10}" + "".join(f"{f'{percent} %':>8}" for percent in percents)
    rows = [
        f"{protocol:10}" + "".join(_score(result.get(f"{protocol}/{percent}")) for percent in percents)
        for protocol in protocols
    ]
    split = "test" if config["evaluate"]["test"] else "validation"
    return "\n  ".join([f"; {metric} on the {split} split, in percent:", head, *rows])


def _score(value: float | None) -> str:
    return f"{'-' if value is None else f'{100 * value:.1f}':>8}"
