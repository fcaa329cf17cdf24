"""`features`: what a run's encoder says of the images in a folder."""

import argparse
import io
from pathlib import Path

import numpy as np
from pymongo.database import Database

from repro.errors import InputError, run_id, whole_number
from repro.files import write_whole
from repro.records.access import encoder_of_run
from repro.records.encoders import features_of, images_in


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the verb."""
    parser = verbs.add_parser("features", help="write the features of all images in a folder, by a run's encoder")
    parser.add_argument("run", type=run_id, help="run id")
    parser.add_argument("folder", type=Path, help="folder with images, also in folders below it")
    parser.add_argument("file", type=Path, help="file to write: *.csv (path, then one column per feature) or *.npz")
    parser.add_argument(
        "--size", type=whole_number(1), metavar="PIXELS", help="image size (default: as in pretraining)"
    )


def run(database: Database, options: argparse.Namespace) -> None:
    """Write the features."""
    if options.file.suffix not in (".csv", ".npz"):
        raise InputError(f"{options.file}: name it *.csv or *.npz, so that its format is clear")
    files = images_in(options.folder)
    features = features_of(encoder_of_run(database, options.run), files, options.size)
    names = [file.relative_to(options.folder).as_posix() for file in files]
    write_whole(options.file, _csv(names, features) if options.file.suffix == ".csv" else _npz(names, features))
    print(f"{options.file}: {len(names)} images, {features.shape[1]} features each")


def _csv(names: list[str], features: np.ndarray) -> bytes:
    import pandas as pd

    columns = [f"f{number}" for number in range(features.shape[1])]
    return pd.DataFrame(features, index=pd.Index(names, name="path"), columns=columns).to_csv().encode()


def _npz(names: list[str], features: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, paths=np.array(names), features=features)
    return buffer.getvalue()
