"""python -m repro.data list|fetch NAME|check NAME

`list` names the data sets. `fetch` downloads one, or continues where it was stopped. `check` reads one and prints
its counts, its hashes, and whether its splits share patients or lesions.
"""

import argparse
import json

import numpy as np

from repro.configs import DATASETS
from repro.configs.resolve import resolve
from repro.data import SPLITS, ImageSet, load
from repro.data.fetch import fetch
from repro.errors import InputError, did_you_mean, front_door, log_to_stderr


def main(arguments: list[str]) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m repro.data", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="name the data sets")
    get = verbs.add_parser("fetch", help="download the official files of a data set")
    get.add_argument("name", help="a data set of `list`")
    get.add_argument("--mirror", metavar="URL", help="folder with the official files (default: $REPRO_MIRROR)")
    get.add_argument("--yes", action="store_true", help="do not ask before a large download")
    get.add_argument("--verify", action="store_true", help="hash again what is there already")
    get.add_argument("--remove-archives", action="store_true", help="delete each archive once it is unpacked")
    check = verbs.add_parser("check", help="read a data set and describe it")
    check.add_argument("name", help="a data set of `list`")
    check.add_argument("--size", type=int, help="pixels (default: the named config's)")
    check.add_argument("--split", help="which division into train, val and test (default: the named config's)")
    options = parser.parse_args(arguments)
    log_to_stderr()
    if options.verb == "list":
        for name, config in DATASETS.items():
            print(f"{name:16} {config.doc}")
        return
    if options.verb == "fetch":
        fetch(options.name, options.mirror, options.yes, options.verify, options.remove_archives)
        return
    if options.name not in DATASETS:
        hint = did_you_mean(options.name, DATASETS)
        raise InputError(f"no data set '{options.name}'.{hint} Known: {', '.join(DATASETS)}")
    given = {f"data.{key}": getattr(options, key) for key in ("size", "split") if getattr(options, key) is not None}
    data = resolve([options.name], given)["data"]
    images = load(data["name"], data["size"], data["split"], data["limit"])
    print(json.dumps(images.describe(), indent=2))
    print(leak_report(images))


def leak_report(images: ImageSet) -> str:
    """Return, in one line, how many groups (patients, lesions) two splits share."""
    if images.groups is None:
        return "groups: unknown, so it cannot be told whether splits share patients or lesions"
    groups = {split: np.unique(images.groups[images.indices(split)]) for split in SPLITS}
    pairs = [(a, b) for i, a in enumerate(SPLITS) for b in SPLITS[i + 1 :]]
    shared = [f"{len(np.intersect1d(groups[a], groups[b]))} in both {a} and {b}" for a, b in pairs]
    return f"groups: {', '.join(f'{len(g)} in {s}' for s, g in groups.items())}; {', '.join(shared)}"


if __name__ == "__main__":
    front_door(main)
