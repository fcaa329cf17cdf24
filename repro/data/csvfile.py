"""A CSV table as text, of which every cell knows its line, so that a mistake in it can be found and named.

Python's own csv, since to import pandas takes longer than to read the largest of these tables.
"""

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from repro.data.layout import nearby
from repro.errors import InputError

BINARY = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}
NO_PLAIN_NAME = re.compile(r"[/\\]|^\.+$")
SHOWN = 60
"""Characters of a bad cell that a message shows."""


@dataclass(frozen=True)
class Table:
    """A table that has been read.

    Args:
        file: where it came from.
        columns: every column's cells, as text without outer blanks.
        lines: the line of each row in the file.
        sha256: hash of the file.
    """

    file: Path
    columns: Mapping[str, Sequence[str]]
    lines: Sequence[int]
    sha256: str

    def fault(self, column: str, row: int, problem: str) -> InputError:
        """Return the error that says what is wrong with a cell, and where."""
        cell = " ".join(self.columns[column][row].split())
        shown = cell if len(cell) <= SHOWN else cell[:SHOWN] + "..."
        return InputError(f"{self.file}, line {self.lines[row]}, column '{column}': '{shown}' {problem}")

    def filled(self, column: str, advice: str) -> Sequence[str]:
        """Return a column none of whose cells may be empty or NaN."""
        cells = self.columns[column]
        for row in rows_where(cells, lambda cell: cell.lower() in ("", "nan")):
            raise self.fault(column, row, f"is no value; {advice}")
        return cells

    def file_names(self, column: str) -> Sequence[str]:
        """Return a column of names, each a plain file name and none there twice."""
        names = self.filled(column, "write the image's name")
        for row in rows_where(names, NO_PLAIN_NAME.search):
            raise self.fault(column, row, "is no plain file name; write the name without its folder")
        self.no_repeats(names, column)
        return names

    def no_repeats(self, values: Sequence[str], column: str) -> None:
        """Refuse values (one per row, made from `column`) of which one is there twice."""
        seen: dict[str, int] = {}
        for row, value in enumerate(values):
            first = seen.setdefault(value, row)
            if first != row:
                where = f"is already in line {self.lines[first]}"
                raise self.fault(column, row, f"{where}; an image has one row, so take one of them out")

    def without(self, rows: Set[int]) -> "Table":
        """Return the table less some of its rows."""
        kept = [row for row in range(len(self.lines)) if row not in rows]
        columns = {name: tuple(cells[row] for row in kept) for name, cells in self.columns.items()}
        return replace(self, columns=columns, lines=[self.lines[row] for row in kept])

    def binary(self, columns: Sequence[str], advice: str) -> np.ndarray:
        """Return columns of 0 and 1 as uint8 `[N, L]`."""
        for column in columns:
            for row in rows_where(self.columns[column], lambda cell: cell not in BINARY):
                raise self.fault(column, row, f"is neither 0 nor 1; {advice}")
        marks = [[BINARY[cell] for cell in self.columns[column]] for column in columns]
        return np.array(marks, dtype=np.uint8).reshape(len(columns), -1).T.copy()


def read_table(file: Path, columns: Sequence[str], advice: str) -> Table:
    """Read a CSV file: UTF-8, commas, a header line; a byte-order mark and any line ends are fine.

    Args:
        file: the table.
        columns: those it must have; it may have more.
        advice: what to do if it is not there, or lacks a column.

    Raises:
        InputError: there is no such file, it is no such table, or it lacks a column or has no row.
    """
    text, sha256 = read_text(file, advice)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    lines, records = [], []
    try:
        for record in reader:
            if record:
                lines.append(reader.line_num)
                records.append([cell.strip() for cell in record])
    except csv.Error as error:
        raise InputError(
            f"{file}, line {reader.line_num}: {error}. Look for a quotation mark that is not closed"
        ) from None
    if len(records) < 2:
        raise InputError(f"{file}: it has {'no row below its header' if records else 'no line'}; {advice}")
    header = records[0]
    if missing := [column for column in columns if column not in header]:
        foreign = [name for sign, name in ((";", "semicolons"), ("\t", "tabs")) if sign in text[: text.find("\n")]]
        hint = f". It seems to be written with {foreign[0]}: save it with commas" if foreign else f"; {advice}"
        shown = ", ".join(header[:20])[: 4 * SHOWN]
        raise InputError(f"{file}, line {lines[0]}: no column '{missing[0]}' among its columns ({shown}){hint}")
    if repeated := [column for column in header if column and header.count(column) > 1]:
        raise InputError(f"{file}, line {lines[0]}: two columns are named '{repeated[0]}'; take one of them out")
    for line, record in zip(lines, records, strict=True):
        if len(record) != len(header):
            raise InputError(
                f"{file}, line {line}: {len(record)} fields, but the header has {len(header)}; put a text that holds a "
                "comma into quotation marks"
            )
    cells = zip(header, zip(*records[1:], strict=True), strict=True)
    return Table(file, {name: column for name, column in cells if name}, lines[1:], sha256)


def read_text(file: Path, advice: str) -> tuple[str, str]:
    """Return a UTF-8 file's text, less a byte-order mark, and the SHA-256 of its bytes.

    Raises:
        InputError: there is no such file, or it is not UTF-8 text.
    """
    try:
        content = file.read_bytes()
    except IsADirectoryError:
        raise InputError(f"{file} is a folder, not a table; name a file") from None
    except FileNotFoundError:
        raise InputError(f"{file} is not there; {advice}{nearby(file.parent)}") from None
    except OSError as error:
        raise InputError(f"{file} cannot be read ({error.strerror}); {advice}") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{file}, line {line}: not UTF-8 text ({error.reason}); save it as UTF-8") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(f"{file}, line {line}: a zero byte, so it is no UTF-8 text; save it as UTF-8")
    return text, hashlib.sha256(content).hexdigest()


def parts(cell: str) -> list[str]:
    """Return the names in a cell such as 'Mass|Nodule'."""
    return [name.strip() for name in cell.split("|")]


def indicators(cells: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """Return which of `names` each cell such as 'Mass|Nodule' holds, as uint8 0/1 `[N, L]`."""
    held = {cell: [name in parts(cell) for name in names] for cell in set(cells)}
    return np.array([held[cell] for cell in cells], dtype=np.uint8).reshape(-1, len(names))


def numbered(cells: Iterable[str]) -> np.ndarray:
    """Return a number for each cell, int64 `[N]`: equal for equal cells, from 0 in order of appearance."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(cell, len(numbers)) for cell in cells], dtype=np.int64)


def rows_where(cells: Sequence[str], wrong: Callable[[str], object]) -> Iterator[int]:
    """Yield the row of every cell of which something is true."""
    return (row for row, cell in enumerate(cells) if wrong(cell))
