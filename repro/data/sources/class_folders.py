"""Class folders as a table: `cat/x.png` is an image of class cat."""

import hashlib
from pathlib import Path

from repro.data.csvfile import Table
from repro.data.imageset import SPLITS
from repro.data.layout import images_below, nearby
from repro.errors import InputError

ADVICE = "put the images of each class into a folder of its name, or write a table (columns path, label)"


def table_of(folder: Path) -> Table:
    """Return the images in class folders as a table with the columns path and label.

    The class is the topmost folder: `cat/a/x.png` is of class cat. Where the topmost folders are train, val and test,
    the class is the folder below, and the table also has the column split. Hidden files are left out.

    Raises:
        InputError: there is no such folder, fewer than two classes, or an image beside the class folders.
    """
    files = sorted(file.relative_to(folder).as_posix() for file in images_below(folder))
    if not files:
        raise InputError(f"{folder}: no image in any folder below it; {ADVICE}{nearby(folder)}")
    tops = {file.split("/")[0] for file in files}
    divided = tops <= set(SPLITS)
    columns: dict[str, list[str]] = {"path": [], "label": [], **({"split": []} if divided else {})}
    for file in files:
        *folders, _ = file.split("/")
        if len(folders) <= divided:
            raise InputError(f"{folder / file}: this image is in no class folder; {ADVICE}")
        columns["path"].append(file)
        columns["label"].append(folders[divided])
        if divided:
            columns["split"].append(folders[0])
    if len(classes := sorted(set(columns["label"]))) < 2:
        raise InputError(f"{folder}: its only class folder is '{classes[0]}'; {ADVICE}")
    text = "\n".join(files).encode(errors="surrogateescape")
    return Table(folder / "(class folders)", columns, range(1, len(files) + 1), hashlib.sha256(text).hexdigest())
