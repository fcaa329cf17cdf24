"""A server that speaks MongoDB's wire protocol and gives one answer: for servers that cannot be had here."""

import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import bson

QUERY, REPLY, MESSAGE = 2004, 1, 2013


class Answering(socketserver.BaseRequestHandler):
    server: "Server"

    def handle(self) -> None:
        while header := self._exactly(16):
            length, number, _, kind = struct.unpack("<iiii", header)
            asked = self._exactly(length - 16)
            if kind == QUERY:  # how drivers ask first
                content = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(self.server.hello)
                self._send(number, REPLY, content)
            else:
                size = struct.unpack_from("<i", asked, 5)[0]
                command = next(iter(bson.decode(asked[5 : 5 + size]))).lower()
                answer = self.server.hello if command in ("hello", "ismaster") else self.server.answer
                self._send(number, MESSAGE, struct.pack("<ib", 0, 0) + bson.encode(answer))

    def _exactly(self, length: int) -> bytes:
        content = b""
        while len(content) < length:
            piece = self.request.recv(length - len(content))
            if not piece:
                return b""
            content += piece
        return content

    def _send(self, number: int, kind: int, content: bytes) -> None:
        self.request.sendall(struct.pack("<iiii", 16 + len(content), 1, number, kind) + content)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = allow_reuse_address = True

    def __init__(self, wire: int, answer: dict[str, Any]) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.hello = {"ok": 1.0, "helloOk": False, "ismaster": True, "minWireVersion": 0, "maxWireVersion": wire}
        self.answer = answer


@contextmanager
def answering(wire: int = 21, **answer: Any) -> Iterator[str]:
    """Yield the address of a server with this wire version (21: MongoDB 7), which answers everything so."""
    with Server(wire, {"ok": 1.0, **answer}) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"mongodb://127.0.0.1:{server.server_address[1]}/Study"
        server.shutdown()
