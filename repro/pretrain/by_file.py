"""What the files of a folder define, by the name of the file: an own method or selector is one more file."""

import importlib
import pkgutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from types import ModuleType
from typing import TypeVar

from repro.errors import InputError

T = TypeVar("T")


class ByFile(Mapping[str, T]):
    """What each file defines, imported when it is asked for: libraries of rivals are large, and one file's mistake
    is no other's.

    Args:
        package: the folder, as a package.
        path: its `__path__`.
        without: files that define nothing of the kind.
        read: what a file defines; raises InputError where that is missing.
    """

    def __init__(
        self, package: str, path: Iterable[str], without: Collection[str], read: Callable[[ModuleType], T]
    ) -> None:
        self._package, self._read = package, read
        self._names = [file.name for file in pkgutil.iter_modules(path) if file.name not in without]

    def __getitem__(self, name: str) -> T:
        if name not in self._names:
            raise KeyError(name)
        try:
            module = importlib.import_module(f"{self._package}.{name}")
        except SyntaxError as error:
            raise InputError(f"{error.filename}, line {error.lineno}: {error.msg}; correct the file") from None
        except ImportError as error:
            file = f"{self._package.replace('.', '/')}/{name}.py"
            raise InputError(f"{file}: {error}; correct the file, or install what it imports") from None
        return self._read(module)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
