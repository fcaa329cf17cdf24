"""The processes that decode, and what they answer."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import IO, Any

from repro import machine
from repro.data.prepare import decode
from repro.errors import InputError


@contextlib.contextmanager
def answers(
    paths: Sequence[str], chunks: Sequence[range], target: Sequence[str | int], lock: IO
) -> Iterator[Iterator[dict[str, Any]]]:
    """Yield an iterator over what `decode.serve` answers to each chunk, in the order of chunks.

    A process per core, each driven through pipes by a thread: unlike a fork that is safe beside CUDA and threads, and
    unlike multiprocessing's spawn it does not import the main module (torch, Sacred) again. Each ends with its
    standard input, even if we are killed.

    Args:
        paths: `[N]`, the file of every row.
        chunks: rows that one process decodes in one go.
        target: the arguments of `decode.serve`.
        lock: a locked file that the processes share: the lock outlives us until the last of them stops writing.

    Raises:
        InputError: on iteration, if the operating system killed a process.
        OSError: on iteration, if the array cannot be written.
    """
    command = [sys.executable, "-P", decode.__file__, *map(str, target)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "pass_fds": [lock.fileno()]}
    processes = [subprocess.Popen(command, text=True, **pipes) for _ in range(min(machine.cores(), len(chunks)))]
    idle: SimpleQueue[subprocess.Popen[str]] = SimpleQueue()
    for process in processes:
        idle.put(process)

    def ask(rows: range) -> dict[str, Any]:
        process = idle.get()
        try:
            return _answer(process, rows.start, [paths[row] for row in rows])
        finally:
            idle.put(process)

    threads = ThreadPoolExecutor(max(1, len(processes)))
    try:
        yield threads.map(ask, chunks)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()
        threads.shutdown()
        for process in processes:
            process.communicate()


def _answer(process: "subprocess.Popen[str]", row: int, files: list[str]) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    line = ""
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(json.dumps({"row": row, "files": files}) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
    if not line and process.wait() < 0:
        raise InputError(
            f"a decoding process was killed (signal {-process.returncode}) among the {len(files)} files from "
            f"{files[0]} on, perhaps for lack of memory; the same command goes on from there"
        )
    if not line:
        raise RuntimeError("a decoding process failed; its traceback is above")
    answer = json.loads(line)
    if "failed" in answer:
        raise OSError(*answer["failed"])
    return answer
