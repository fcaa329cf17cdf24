"""python -m repro.run [train|pretrain|evaluate|print_config] with NAMED... key=value...

One Sacred experiment from named configs; `train`, the default, pretrains and then evaluates. For example
`python -m repro.run with byol_tracin dermamnist smoke seed=3`. The same command again after an interruption
continues from the last checkpoint.
"""

import logging
import signal
import sys
from types import FrameType
from typing import Any

from docopt import DocoptExit, docopt
from sacred.arg_parser import get_config_updates

from repro.configs.resolve import check_name, flat, resolve
from repro.errors import InputError, did_you_mean, front_door
from repro.experiment import COMMANDS, build, execute
from repro.store import open_database


def main(arguments: list[str]) -> None:
    """Run the command line."""
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.INFO, stream=sys.stderr)
    signal.signal(signal.SIGTERM, as_interrupt)
    experiment = build()
    _, usage, internal_usage = experiment.get_usage("python -m repro.run")
    try:
        options = docopt(internal_usage, arguments, default_help=False)
    except DocoptExit:
        raise InputError(
            f"cannot read the command line {' '.join(arguments)!r}; see python -m repro.run --help"
        ) from None
    if options["help"] or options["--help"]:
        print(usage)
        return
    command = options["COMMAND"] or "train"
    if command not in dict(experiment.gather_commands()):
        raise InputError(f"no command '{command}'.{did_you_mean(command, COMMANDS)} Commands: {', '.join(COMMANDS)}")
    updates, named = get_config_updates(options["UPDATE"])
    for name in named:
        check_name(name)
    config = resolve(named, dict(flat(updates)))
    if command not in COMMANDS or options["--unobserved"]:
        experiment.run(command, updates, named, options=options)
        return
    with open_database() as database:
        execute(database, command, config, named, updates, options)


def as_interrupt(_signal: int, _frame: FrameType | None) -> Any:
    """Treat SIGTERM (a container that stops) as Ctrl-C: the run is recorded as interrupted."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    front_door(main)
