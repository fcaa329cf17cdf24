"""Open the run database that the environment names."""

import contextlib
import functools
import hashlib
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

from pymongo import ASCENDING, MongoClient
from pymongo.database import Database
from pymongo.errors import ConfigurationError, ConnectionFailure, OperationFailure, PyMongoError
from pymongo.uri_parser import parse_uri

from repro import locks
from repro.errors import InputError, StorageError, UnreachedError
from repro.files import write_whole
from repro.store import embedded
from repro.store.address import named_address, naming

DATABASE = "repro"
"""Database name where the URI names none."""

TIMEOUT_MS = 5000
"""How long to look for a server before saying that there is none."""

SILENCE_MS = 60_000
"""How long a server that was found may take for one answer before it counts as absent, as one that is frozen [us]."""

NOT_ALLOWED = (13, 18)
"""Codes of a server's answer to a user who may not do something, or whose password is wrong."""

UNABLE = {1: "internal error", 8: "unknown error", 91: "shutting down", 11600: "shutting down", 14031: "disk full"}
"""Codes of a server that answers, but cannot do its work."""


def runs_folder() -> Path:
    """Return `$REPRO_RUNS` (default `runs`): embedded database, checkpoints and spool.

    Raises:
        InputError: it cannot be made or written to.
    """
    folder = Path(os.environ.get("REPRO_RUNS") or "runs").absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"REPRO_RUNS: cannot make {folder}: {error.strerror}. Name a folder you own") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"REPRO_RUNS: {folder} is not writable. Name a folder you own")
    return folder


def runs_folder_id() -> str:
    """Return a random name that this runs folder keeps, whatever machine or container it is seen from."""
    note = runs_folder() / "id"
    if not note.exists():
        path = note.with_suffix(".lock")
        with path.open("a") as turn:
            locks.lock(turn, path)
            if not note.exists():  # another process may have been quicker
                write_whole(note, uuid.uuid4().hex.encode())
    return note.read_text()


@contextlib.contextmanager
def open_database(writes: bool = True) -> Iterator[Database]:
    """Yield the run database that the environment names, else an embedded server under `$REPRO_RUNS/db`.

    The embedded server is shared with every other process that has it open and stops with the last of them.

    Args:
        writes: whether there is something to write; a user who may only read is good enough without.

    Raises:
        InputError: the URI is malformed, the server refuses us, or the runs folder cannot hold the record of a run.
            Credentials are never shown.
        UnreachedError: no server answers.
        StorageError: the server is lost, or cannot do its work, while the database is open.
    """
    uri, patience = named_address(), 0.0
    with contextlib.ExitStack() as stack:
        if uri is None:
            uri = stack.enter_context(embedded.server(runs_folder() / "db"))
            patience = embedded.START_SECONDS  # it is there; on a machine that does much else it may be slow
        elif writes:
            locks.check(runs_folder())  # the record of a run waits there, and no other process may touch it
        client, where = _client(uri)
        stack.enter_context(client)
        database = _checked(client.get_default_database(DATABASE), where, writes, time.monotonic() + patience)
        try:
            yield database
        except PyMongoError as error:
            if (outage := outage_of(error)) is None:
                raise
            raise StorageError(
                f"the run database at {where} does not work ({outage}). Nothing that was recorded is lost; "
                "repair it, and run the same command again"
            ) from None


def outage_of(error: PyMongoError) -> str | None:
    """Return in a few words why the database cannot do what it was asked now; None if the question was at fault."""
    if isinstance(error, ConnectionFailure):
        return type(error).__name__
    return UNABLE.get(error.code or 0) if isinstance(error, OperationFailure) else None


def revive() -> None:
    """Start the embedded server again if it has died; a run database of somebody else's is theirs to start."""
    if named_address() is None:
        with contextlib.suppress(InputError, OSError), embedded.server(runs_folder() / "db"):
            pass


def identity(database: Database) -> str:
    """Return a short hash of where the database is, without credentials: which spool belongs to it."""
    place = _place(named_address())
    return hashlib.sha256(f"{place}/{database.name}".encode()).hexdigest()[:16]


@functools.cache
def _place(uri: str | None) -> str:
    return "embedded" if uri is None else str(sorted(parse_uri(uri, validate=False)["nodelist"]))


def _client(uri: str) -> tuple[MongoClient, str]:
    """Return a client, and the servers it looks for, fit to be shown."""
    try:
        where = ", ".join(f"{host}:{port}" for host, port in parse_uri(uri)["nodelist"])
        client: MongoClient = MongoClient(
            uri,
            appname="repro",
            serverSelectionTimeoutMS=TIMEOUT_MS,
            connectTimeoutMS=TIMEOUT_MS,
            socketTimeoutMS=SILENCE_MS,
        )
        return client, where
    except (PyMongoError, ValueError) as error:
        # The driver's text can quote parts of the URI; only its kind is safe to repeat.
        raise InputError(
            f"{naming()} is not a usable MongoDB address ({type(error).__name__}). "
            "It looks like mongodb://user:password@host:27017/repro?authSource=admin, "
            "with special characters in the password percent-encoded"
        ) from None


def _checked(database: Database, where: str, writes: bool, until: float) -> Database:
    """Return the database once it has answered; one that does not answer is asked again until then."""
    try:
        database.runs.find_one({"_id": 0}, {"_id": 1})  # no run has this id; it asks whether we may read
        if writes:
            _index(database, where)
    except PyMongoError as error:
        code = error.code if isinstance(error, OperationFailure) else None
        if code in (8000, *NOT_ALLOWED) or (code is not None and "auth" in str(error).lower()):
            raise InputError(
                f"the run database at {where} refused the user or the password. Check {naming()} (often "
                "?authSource=admin is missing)"
            ) from None
        if code is not None and (outage := outage_of(error)):
            raise UnreachedError(f"the run database at {where} does not work ({outage}); repair it") from None
        if code is not None:
            refusal = (error.details or {}).get("errmsg") if isinstance(error, OperationFailure) else None
            raise InputError(
                f"the run database at {where} refuses '{database.name}': {refusal or 'no reason given'} (code {code}). "
                f"Correct {naming()}, or ask its administrator"
            ) from None
        if isinstance(error, ConfigurationError) and "wire version" in str(error):
            raise InputError(
                f"the run database at {where} does not fit this kit's driver: {error}. Use another server, or "
                f"unset {naming()} to use the embedded one"
            ) from None
        if time.monotonic() < until:
            return _checked(database, where, writes, until)
        raise UnreachedError(
            f"no run database answers at {where} within {TIMEOUT_MS // 1000} s ({type(error).__name__}). Start it, "
            f"correct {naming()}, or unset it to use the embedded one"
        ) from None
    return database


def _index(database: Database, where: str) -> None:
    try:
        database.metrics.create_index([("run_id", ASCENDING), ("name", ASCENDING)])
        database.runs.create_index([("info.cell", ASCENDING), ("status", ASCENDING)])
        database.fs.files.create_index([("metadata.run_id", ASCENDING)])
    except OperationFailure as error:
        if error.code not in NOT_ALLOWED:
            raise
        raise InputError(
            f"the user in {naming()} may read '{database.name}' at {where}, but not write to it. Name one who "
            "may; to check, draw and export runs this one is good enough"
        ) from None
