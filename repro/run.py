"""One experiment from named configs, recorded in the run database.

    python -m repro.run with byol_tracin dermamnist smoke seed=3

The same command again after an interruption continues from the last checkpoint. Several GPUs train one run, each on its
share of every batch of `pretrain.batch_size` images:

    torchrun --nproc-per-node=2 -m repro.run with byol_tracin dermamnist smoke seed=3
"""

import argparse
import logging
import textwrap

from sacred.arg_parser import get_config_updates

from repro.configs import DATASETS, METHODS, NAMED, SCALES
from repro.configs.resolve import check_name, flat, resolve
from repro.configs.show import lines
from repro.errors import InputError, Parser, did_you_mean, front_door, log_to_stderr

COMMANDS = {
    "train": "pretrain, then evaluate (the default)",
    "pretrain": "only pretrain; the encoder is stored with the run",
    "evaluate": "only evaluate the encoder of evaluate.pretraining=RUN_ID, on the named data set or its usual targets",
    "print_config": "print every setting with value, source and meaning",
}


def main(arguments: list[str]) -> None:
    """Run the command line."""
    command, updates, named = _understood(_parser().parse_args(arguments).words)
    changes = dict(flat(updates))
    config = resolve(named, changes)
    if command == "print_config":
        print("\n".join(lines(config)))
        return
    # Imported late: torch takes seconds, and a typo should not wait for it.
    from repro.doctor import before_work
    from repro.execution.experiment import execute
    from repro.execution.lineage import transfers
    from repro.execution.procedure import assist, pretrains
    from repro.pretrain.processes import is_first, started
    from repro.pretrain.rendezvous import meet
    from repro.store import open_database

    log_to_stderr(logging.INFO if is_first() else logging.ERROR)  # the others would say the same again
    pretraining = pretrains(config, command)
    before_work("run")
    if pretraining and started() > 1:
        meet()  # before any long work: of processes that are not there one is told now
    if not is_first():
        if pretraining:
            assist(config)
        return

    with open_database() as database:
        places: list[tuple[list[str], dict]] = [([], {})]
        if command == "evaluate" and "data.name" not in changes and not set(named) & set(DATASETS):
            places = transfers(database, config) or places
        for dataset, sizes in places:
            own_named, own_changes = [*named, *dataset], {**sizes, **changes}
            execute(database, command, resolve(own_named, own_changes), own_named)


def _understood(words: list[str]) -> tuple[str, dict, list[str]]:
    """Return (command, nested updates, named configs) of `[COMMAND] [with NAME... KEY=VALUE...]`."""
    if not words or words == ["with"]:
        raise InputError(
            "name what to run: `python -m repro.run with byol_tracin dermamnist smoke`; `--help` lists the names"
        )
    if "=" in words:
        raise InputError("write settings without blanks: `seed=3`, not `seed = 3`")
    command = "train" if words[0] == "with" else words[0]
    rest = words if words[:1] == ["with"] else words[1:]
    if command in NAMED or "=" in command:
        raise InputError(f"put `with` before named configs and settings: `python -m repro.run with {' '.join(words)}`")
    if command not in COMMANDS:
        raise InputError(f"no command '{command}'.{did_you_mean(command, COMMANDS)} Commands: {', '.join(COMMANDS)}")
    if rest and rest[0] != "with":
        raise InputError(f"'{rest[0]}' after '{command}': write `{command} with {' '.join(rest)}`")
    updates, named = get_config_updates(rest[1:])
    for name in named:
        check_name(name)
    return command, updates, named


def _parser() -> Parser:
    tables = {"commands": COMMANDS} | {
        title: {name: config.doc for name, config in named.items()}
        for title, named in (("methods", METHODS), ("data sets", DATASETS), ("scales", SCALES))
    }
    parser = Parser(
        prog="python -m repro.run",
        usage="%(prog)s [COMMAND] [with NAMED... KEY=VALUE...]",
        description=__doc__,
        epilog="\n\n".join(f"{title}\n{_columns(table)}" for title, table in tables.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("words", nargs="*", metavar="WORD", help="a command, then `with`, named configs and settings")
    return parser


def _columns(table: dict[str, str]) -> str:
    indent = " " * 17
    return "\n".join(
        textwrap.fill(f"  {name:14} {what}", 100, subsequent_indent=indent) for name, what in table.items()
    )


if __name__ == "__main__":
    front_door(main)
