"""python -m repro.data list|fetch|prepare|check|export NAME [data.KEY=VALUE...]

`list` names the data sets. `fetch` downloads the official files of one. `prepare` decodes its images into one array on
disk, as a run does by itself when it needs to. `check` reports its counts, hashes it again, and says whether its splits
leak: share patients, lesions or pictures; exit code 1 if they do, or if something is altered. `export` writes which
image is in which split and label subset.
"""

import argparse
import ast
import json
import sys
from pathlib import Path
from typing import Any

from repro.configs import DATASETS
from repro.configs.resolve import resolve
from repro.data import SPLITS, altered, load
from repro.data.check.duplicates import DISTANCE
from repro.data.check.report import Report, inspect
from repro.data.check.report_text import text_of
from repro.data.export import export
from repro.data.folder import prepared_folder
from repro.errors import InputError, Parser, did_you_mean, front_door, log_to_stderr, whole_number
from repro.files import write_whole

FARTHEST = 16
"""Most bits that `--near` takes: unlike images are about 32 apart, and at 16 their pairs are too many. [us]"""


def main(arguments: list[str]) -> None:
    """Run the command line."""
    parser = Parser(
        prog="python -m repro.data", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True)
    verbs.add_parser("list", help="name the data sets")
    get = verbs.add_parser("fetch", help="download the official files of a data set")
    get.add_argument("name", help="a data set of `list`")
    get.add_argument("--mirror", metavar="URL", help="folder with the official files (default: $REPRO_MIRROR)")
    get.add_argument("--yes", action="store_true", help="do not ask before a large download")
    get.add_argument("--verify", action="store_true", help="hash again the files that are there")
    get.add_argument("--remove-archives", action="store_true", help="delete each archive once it is unpacked")
    prepare = verbs.add_parser("prepare", help="decode the images of a data set once, into one array on disk")
    check = verbs.add_parser(
        "check", help="report what a data set holds; exit code 1 if its splits leak or it is altered"
    )
    listed = verbs.add_parser("export", help="write which image is in which split and label subset, as a CSV")
    for verb in (prepare, check, listed):
        verb.add_argument("name", help="a data set of `list`")
        verb.add_argument(
            "settings", nargs="*", default=[], metavar="data.KEY=VALUE", help="as for repro.run: data.csv=my.csv"
        )
        verb.add_argument("--size", type=whole_number(1), help="pixels (default: the named config's)")
        verb.add_argument("--split", help="which division into train, val and test (default: the named config's)")
    listed.add_argument("--out", type=Path, required=True, metavar="FILE", help="the CSV to write")
    listed.add_argument("--fractions", type=float, nargs="*", default=[0.01, 0.1, 0.5, 1.0], help="label fractions")
    listed.add_argument("--seed", type=whole_number(0), default=0, help="seed of the label subsets (that of a run)")
    check.add_argument(
        "--near",
        type=int,
        default=DISTANCE,
        metavar="BITS",
        help="most bits of 64 in which the hashes of near duplicates differ, 0 to 16 (default: %(default)s); "
        "higher finds more and takes longer",
    )
    check.add_argument("--strict", action="store_true", help="near duplicates across splits are a leak, too")
    check.add_argument("--json", type=Path, metavar="FILE", help="write the report there as well")
    options, more = parser.parse_known_args(arguments)
    if more and ("settings" not in options or any(word.startswith("-") for word in more)):
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    if more:
        options.settings = [*options.settings, *more]  # argparse gives up settings that stand behind an option
    log_to_stderr()
    if options.verb == "list":
        for name, config in DATASETS.items():
            print(f"{name:16} {config.doc}")
        return
    if options.verb == "fetch":
        from repro.data.fetch import fetch  # requests takes long to import

        fetch(options.name, options.mirror, options.yes, options.verify, options.remove_archives)
        return
    if options.name not in DATASETS:
        hint = did_you_mean(options.name, DATASETS)
        raise InputError(f"no data set '{options.name}'.{hint} Known: {', '.join(DATASETS)}")
    if options.verb == "check" and not 0 <= options.near <= FARTHEST:
        raise InputError(f"--near {options.near}: give 0 to {FARTHEST} bits; above that, unlike images match too")
    data = resolve([options.name], _updates(options))["data"]
    images = load(data, prepared_folder())
    match options.verb:
        case "prepare":
            sizes = ", ".join(f"{len(images.indices(split)):,} {split}" for split in SPLITS)
            print(f"{data['name']} is ready at {data['size']} px: {sizes} images; SHA-256 {images.images_sha256}")
            print("".join(f"{gap}\n" for gap in images.gaps()), end="")
        case "export":
            digest = export(images, options.out, options.fractions, options.seed)
            print(f"{options.out}: {len(images.split):,} images, {data['split']} split; SHA-256 {digest}")
        case "check":
            _check(inspect(images, data["split"], options.near, altered(data, prepared_folder())), options)


def _updates(options: argparse.Namespace) -> dict[str, Any]:
    """Return dotted key -> value of what was typed behind the name."""
    found: dict[str, Any] = {}
    for word in options.settings:
        key, equals, value = word.partition("=")
        if not equals or not key.startswith("data."):
            raise InputError(f"'{word}' is no setting of a data set; write it like data.allow_missing=True")
        try:
            found[key] = ast.literal_eval(value)
        except (SyntaxError, ValueError):
            found[key] = value
    return found | {f"data.{key}": value for key in ("size", "split") if (value := getattr(options, key)) is not None}


def _check(report: Report, options: argparse.Namespace) -> None:
    print(text_of(report))
    if options.json is not None:
        write_whole(options.json, (json.dumps(report.plain(), indent=2) + "\n").encode())
    print(f"\n{report.verdict(options.strict)}")
    if report.fails(options.strict):
        sys.exit(1)


if __name__ == "__main__":
    front_door(main)
