"""A real web server with the ill manners of real web servers."""

import hashlib
import io
import random
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def zipped(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def tarred(members: dict[str, bytes | str]) -> bytes:
    """A tar.gz; a member whose content is a string is a symbolic link to it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


@dataclass
class Request:
    """What was asked for, and what was sent: `sent` counts bytes of the body."""

    name: str
    first: int
    status: int
    login: str | None
    sent: int = 0


@dataclass
class FileServer:
    """The manners: set them between requests.

    Args:
        files: content by file name.
        ranges: whether parts are served.
        tags: whether it says by ETag which content it serves.
        if_range: whether it sends everything where the content is not the one asked to be continued.
        drops: break the connection after so many bytes of the body, one entry per request.
        statuses: answer these instead, one per request.
        kind: Content-Type.
        length: whether the length is announced.
        pause: seconds after each 64 kB.
        host: the address of this machine that it listens at.
    """

    files: dict[str, bytes]
    ranges: bool = True
    tags: bool = True
    if_range: bool = True
    drops: list[int] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    kind: str = "application/octet-stream"
    length: bool = True
    pause: float = 0.0
    requests: list[Request] = field(default_factory=list)
    host: str = "127.0.0.1"
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}/mirror/of/it"

    def asked(self, name: str) -> list[Request]:
        return [request for request in self.requests if request.name == name]


@contextmanager
def serving(files: dict[str, bytes], host: str = "127.0.0.1") -> Iterator[FileServer]:
    manners = FileServer(files, host=host)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            name = PurePosixPath(self.path.split("?")[0]).name
            content = manners.files.get(name, b"")
            tag = f'"{hashlib.md5(content).hexdigest()}"' if manners.tags else ""
            asked = self.headers.get("Range", "")
            first = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and manners.ranges else 0
            if manners.if_range and self.headers.get("If-Range", tag) != tag:
                first = 0
            status = 206 if asked and manners.ranges and (first or not manners.if_range) else 200
            if name not in manners.files:
                status = 404
            elif first >= len(content) and first:
                status = 416
            if manners.statuses:
                status = manners.statuses.pop(0)
            request = Request(name, first, status, self.headers.get("Authorization"))
            manners.requests.append(request)
            body = content[first:] if status in (200, 206) else b""
            self.send_response(status)
            self.send_header("Content-Type", manners.kind)
            if tag:
                self.send_header("ETag", tag)
            if manners.length:
                self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            if status == 206:
                self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            self.close_connection = True
            if manners.drops and body:
                body = body[: manners.drops.pop(0)]
            for at in range(0, len(body), 1 << 16):
                try:
                    self.wfile.write(body[at : at + (1 << 16)])
                except OSError:
                    return
                request.sent += len(body[at : at + (1 << 16)])
                time.sleep(manners.pause)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer((host, 0), Handler)
    server.daemon_threads = True
    manners.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield manners
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
