"""A downloader for pooch that resumes interrupted downloads.

What has arrived lies in a file `.part`, and beside it, in `.part.json`, what the server said it was sending. It is
only added to while the server says the same; otherwise the download starts again.
"""

import json
import logging
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import requests
import urllib3

from repro import __version__
from repro.errors import InputError
from repro.progress import Progress

log = logging.getLogger("repro.data")

ATTEMPTS = 6
"""Failures in a row, with no byte in between, after which a download is given up."""
PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before the second attempt; each further pause is twice as long, up to the longest."""
TIMEOUT = (20.0, 60.0)
"""Seconds to wait for a connection, and for the next bytes."""
CHUNK = 1 << 20

_BROKEN = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    urllib3.exceptions.HTTPError,
)


class DroppedError(Exception):
    """The download broke off in a way that another attempt may mend."""


@dataclass(frozen=True)
class Source:
    """Where a file is downloaded from.

    Args:
        url: as a request needs it, without a password.
        shown: as it may be printed: neither password nor query.
        login: user and password, or None.
    """

    url: str
    shown: str
    login: tuple[str, str] | None

    @classmethod
    def of(cls, url: str, name: str | None = None) -> "Source":
        """Take the credentials out of a URL; with a name, it is a folder's URL and the file `name` in it is meant.

        Raises:
            InputError: not an http, https or file URL.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", f":{parts.port}" if parts.port else ""
        except ValueError:
            raise InputError("the mirror is not a URL: http://host/folder, https://... or file:///folder") from None
        if parts.scheme not in ("http", "https", "file") or (parts.scheme != "file" and not host):
            raise InputError(
                f"cannot download from a URL that begins with '{parts.scheme}:'; "
                "http://host/folder, https://host/folder and file:///folder are known"
            )
        netloc = (f"[{host}]" if ":" in host else host) + port
        path = parts.path if name is None else f"{parts.path.rstrip('/')}/{name}"
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        return cls(
            url=urlunsplit((parts.scheme, netloc, path, parts.query, "")),
            shown=urlunsplit((parts.scheme, netloc, path, "", "")),
            login=(user, password) if user or password else None,
        )


@dataclass(frozen=True)
class Offer:
    """What a server says it sends: the same offer, the same bytes."""

    shown: str
    etag: str
    modified: str
    bytes: int | None


class Resuming:
    """Downloads one file for pooch, through dropped connections and restarts.

    Args:
        source: where from; pooch's own idea of the URL is not used, so that it never sees a password.
        part: where the bytes collect.
        by_hand: what a person can do where a server wants a browser.
        attempts: failures in a row after which the download is given up.
    """

    def __init__(self, source: Source, part: Path, by_hand: str, attempts: int = ATTEMPTS) -> None:
        self._source, self._part, self._by_hand, self._attempts = source, part, by_hand, attempts
        self._beside = part.with_name(part.name + ".json")
        self._title = part.name.removesuffix(".part")

    def __call__(self, _url: str, output_file: str, _pooch: Any) -> None:
        """Download to `output_file`. `part` stays too, until the caller has seen that the hash is right.

        Raises:
            InputError: no such file, no network, no room, or a server that keeps failing.
        """
        failures = 0
        while not self._whole():
            before = self._size()
            try:
                self._go_on()
            except DroppedError as reason:
                failures = 1 if self._size() > before else failures + 1
                if failures == self._attempts:
                    raise InputError(
                        f"{self._source.shown}: {reason}, {failures} times in a row. Check the network, or name a copy "
                        "with --mirror or REPRO_MIRROR; what has arrived is kept, and the same command continues. Or: "
                        f"{self._by_hand}"
                    ) from None
                pause = min(PAUSE * 2 ** (failures - 1), LONGEST_PAUSE)
                log.warning("%s: %s; next attempt in %.0f s", self._title, reason, pause)
                time.sleep(pause)
        Path(output_file).unlink()
        try:
            Path(output_file).hardlink_to(self._part)
        except OSError:  # a file system without links: a kill while the hash is checked then costs the download
            self._part.replace(output_file)

    def forget(self) -> None:
        """Delete what has arrived."""
        self._part.unlink(missing_ok=True)
        self._beside.unlink(missing_ok=True)

    def _size(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _offer(self) -> Offer | None:
        """Return what the part is a part of; None where that cannot be told."""
        try:
            offer = Offer(**json.loads(self._beside.read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None
        return offer if offer.shown == self._source.shown and offer.bytes is not None else None

    def _whole(self) -> bool:
        offer = self._offer()
        return offer is not None and self._part.exists() and self._size() == offer.bytes

    def _go_on(self) -> None:
        offer = self._offer()
        have = self._size() if offer else 0
        if self._source.url.startswith("file:"):
            return self._copy(have, offer)
        headers = {"User-Agent": f"additional-positive/{__version__}", "Accept-Encoding": "identity"}
        if offer and have:
            headers["Range"] = f"bytes={have}-"
            unchanged = "" if offer.etag.startswith("W/") else offer.etag  # a weak tag does not promise equal bytes
            if unchanged or offer.modified:
                headers["If-Range"] = unchanged or offer.modified
        try:
            with requests.get(
                self._source.url, headers=headers, auth=self._source.login, stream=True, timeout=TIMEOUT
            ) as answer:
                self._receive(answer, have, offer)
        except _BROKEN as error:
            word = "the connection broke" if self._size() > have else "no connection"
            raise DroppedError(f"{word} ({type(error).__name__})") from None
        except requests.RequestException as error:
            raise InputError(f"{self._source.shown} cannot be downloaded ({type(error).__name__})") from None
        return None

    def _receive(self, answer: requests.Response, have: int, offer: Offer | None) -> None:
        status = answer.status_code
        if status in (408, 425, 429) or status >= 500:
            raise DroppedError(f"the server answers HTTP {status}")
        if status == 416:  # the file has become shorter than what we have of it
            self.forget()
            raise DroppedError("the file on the server has changed, so it is downloaded again")
        if status in (401, 403):
            raise InputError(f"{self._source.shown}: the server refuses it (HTTP {status}). {self._by_hand}")
        if status not in (200, 206):
            raise InputError(f"{self._source.shown}: the server answers HTTP {status}. {self._by_hand}")
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            raise InputError(
                f"{self._source.shown} is a web page, not the file: download it in a browser. {self._by_hand}"
            )
        first, total = 0, answer.headers.get("Content-Length")
        if status == 206:
            match = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
            first, total = (int(match[1]), match[2]) if match else (-1, None)
        encoded = answer.headers.get("Content-Encoding", "identity") != "identity"
        now = Offer(
            shown=self._source.shown,
            etag=answer.headers.get("ETag", ""),
            modified=answer.headers.get("Last-Modified", ""),
            bytes=None if total is None or encoded else int(total),
        )
        if status == 206 and (first != have or now != offer):
            self.forget()
            raise DroppedError("the file on the server has changed, so it is downloaded again")
        if status == 200 and have:
            log.warning("%s: the server starts from the beginning again", self._title)
        self._write(answer.iter_content(CHUNK) if encoded else _arriving(answer), first, now)

    def _copy(self, have: int, offer: Offer | None) -> None:
        file = Path(unquote(urlsplit(self._source.url).path))
        try:
            about = file.stat()
            now = Offer(self._source.shown, "", str(about.st_mtime_ns), about.st_size)
            with file.open("rb") as content:
                first = content.seek(have if now == offer else 0)
                self._write(iter(lambda: content.read(CHUNK), b""), first, now)
        except FileNotFoundError:
            raise InputError(f"{self._source.shown}: no such file. {self._by_hand}") from None

    def _write(self, chunks: Iterator[bytes], first: int, offer: Offer) -> None:
        """Write chunks from byte `first` on; what was there before it stays."""
        if first == 0:
            self.forget()
            self._beside.write_text(json.dumps(asdict(offer)))
        total = offer.bytes or 0
        free = shutil.disk_usage(self._part.parent).free
        if total - first > free:
            raise InputError(
                f"{self._title} is {total / 1e9:.1f} GB, of which {(total - first) / 1e9:.1f} are missing, and "
                f"{free / 1e9:.1f} GB are free in {self._part.parent}. Free some and run the same command again"
            )
        with (
            self._part.open("ab") as part,
            Progress(self._title, max(total, 1), "B", done=first) as bar,
        ):
            for chunk in chunks:
                part.write(chunk)
                bar.advance(len(chunk))
        if offer.bytes is None:
            self._beside.write_text(json.dumps(asdict(offer) | {"bytes": self._size()}))
        elif self._size() < total:
            raise DroppedError(f"the connection broke after {self._size() / 1e6:.0f} of {total / 1e6:.0f} MB")
        elif self._size() > total:
            self.forget()
            raise DroppedError("the server sent more than it announced")


def _arriving(answer: requests.Response) -> Iterator[bytes]:
    """Yield bytes as they arrive; `iter_content` would lose the last unfilled chunk of a broken connection."""
    while chunk := answer.raw.read1(CHUNK, decode_content=False):
        yield chunk
