"""How `lungo serve` bears an attack: good clients beside all of these at once.

python -m benchmarks.serving_attack model.onnx pictures/ [--connections 200] [--seconds 60] [--device cpu]

| attack | what it sends |
|---|---|
| slow heads | a header line a second, without end |
| header bombs | headers, one header, an address or trailers without end |
| slow bodies | one byte a second of a body, on more connections than there are places |
| forms | multipart bodies with strange charsets, names, boundaries and damage |
| hosts | names that are not this machine's |

It holds if no answer is a 500, /health answers a new connection within 1 s, the service's memory stays within 200 MB of
its start, and its log under 1 MB. Exit status 1 if not. Service and clients share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import multiprocessing
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from benchmarks.serving import LUNGO, resident
from caffelungo.inference.picture_input import picture_files

LOCAL = "127.0.0.1"
FORM = b'--b\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n%s\r\n--b--\r\n'
CHARSETS = ("unicode_escape", "utf-7", "utf-16", "idna", "punycode", "rot13", "hex", "undefined", "none", "\\ud800", "")
HOSTS = ("evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "a b", "[::1", "localhost:port", "@")


@dataclass
class Record:
    """What clients of one kind saw: answers by status, connections that ended without one, seconds of each answer."""

    answers: Counter[int] = field(default_factory=Counter)
    ended: int = 0
    seconds: list[float] = field(default_factory=list)


@dataclass
class Attacked:
    """What came of it. ``memory``: MiB above the start, the most; ``health``: seconds, the most."""

    records: dict[str, Record]
    health: float
    memory: float
    log: int = 0

    def problems(self, health: float = 1.0) -> list[str]:
        """What did not hold; ``health``: seconds that /health may take."""
        found = [
            f"{kind}: status {status}, {count} times"
            for kind, record in self.records.items()
            for status, count in record.answers.items()
            if status >= 500 and status != 503
        ]
        if self.health > health:
            found.append(f"/health took {self.health:.2f} s")
        if self.memory > 200:
            found.append(f"memory grew by {self.memory:.0f} MiB")
        if self.log > 1_000_000:
            found.append(f"the log has {self.log} bytes")
        if not self.records["good"].answers[200]:
            found.append("no good client was answered")
        return found


async def answer(reader: asyncio.StreamReader, record: Record, began: float, limit: float = 60) -> None:
    """Read one answer whole. Raises OSError or EOFError where none comes."""
    async with asyncio.timeout(limit):
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        await reader.readexactly(int(length[1]) if length else 0)
    record.answers[int(head[9:12])] += 1
    record.seconds.append(time.monotonic() - began)


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter, Record], Coroutine[Any, Any, None]]


async def again(port: int, talk: Talk, record: Record, until: float) -> None:
    """Connect and talk, over and over."""
    while time.monotonic() < until:
        writer = None
        try:
            async with asyncio.timeout(max(0.1, until - time.monotonic())):
                reader, writer = await asyncio.open_connection(LOCAL, port)
                await talk(reader, writer, record)
        except (OSError, EOFError, TimeoutError, asyncio.LimitOverrunError):
            record.ended += 1
            await asyncio.sleep(0.05)
        finally:
            if writer is not None:
                writer.transport.abort()


def drip(first: bytes, more: Callable[[], bytes], pause: float) -> Talk:
    """Send ``first``, then ``more()`` every ``pause`` seconds until an answer comes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, record: Record) -> None:
        began = time.monotonic()
        writer.write(first)
        waiting = asyncio.ensure_future(answer(reader, record, began, 600))
        try:
            while not waiting.done():
                writer.write(more())
                await writer.drain()
                await asyncio.wait([waiting], timeout=pause)
            await waiting
        finally:
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError, EOFError):
                await waiting

    return talk


def ask(requests: Callable[[], bytes]) -> Talk:
    """Send a whole request and read its answer, over and over on one connection."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, record: Record) -> None:
        while True:
            began = time.monotonic()
            writer.write(requests())
            await writer.drain()
            await answer(reader, record, began)

    return talk


def request(body: bytes, kind: str, host: str = LOCAL) -> bytes:
    """A POST of ``body``."""
    head = f"POST /classify HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode("utf-8", "surrogatepass") + body


def strange_form(rng: random.Random, picture: bytes) -> bytes:
    """A form that is none, or nearly."""
    name = rng.choice([b"a", b"\\ud800.jpg", b"\xed\xa0\x80", b"=1+1", b'"', b"\x00", b"a" * 9000])
    body = bytearray(FORM % (rng.choice([b"image", b"top", name]), name, rng.choice([picture, b"", b"\xff" * 99])))
    for _ in range(rng.randrange(3)):
        body[rng.randrange(len(body))] = rng.randrange(256)
    if rng.random() < 0.2:
        body = bytearray(FORM.replace(b"--b--\r\n", b"") % (b"a", name, b"") * rng.choice([9, 500, 20_000]))
    boundary = rng.choice(["b", "b", "b", "", "x", '"b', "b" * 200])
    charset = rng.choice(CHARSETS)
    return request(bytes(body), f"multipart/form-data; boundary={boundary}; charset={charset}")


def bombs() -> Iterator[Talk]:
    """Heads and trailers without end."""
    start = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    chunked = b"POST /classify HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    for first, more in (
        (start, b"x-a: b\r\n" * 8000),
        (start + b"x-a: ", b"b" * 64_000),
        (b"GET /", b"a" * 64_000),
        (b"", b"a" * 64_000),
        (chunked + b"0\r\n", b"x-a: b\r\n" * 8000),
        (chunked + b"1;a=", b"b" * 64_000),
        (start + b"Content-Length: 9999999999\r\n\r\n", b"b" * 64_000),
        (b"", (start + b"\r\n") * 2000),
    ):
        yield drip(first, lambda more=more: more, 0.01)  # type: ignore[misc]


async def attack(
    port: int, process: int, good: list[bytes], seconds: float, connections: int, attackers: int, seed: int = 0
) -> Attacked:
    """Everything at once for ``seconds``; ``good`` are whole requests, ``attackers`` connections of each slow kind."""
    rng = random.Random(seed)
    until = time.monotonic() + seconds
    start = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    slow_body = (
        b"POST /classify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\nContent-Length: 99999\r\n\r\n"
    )
    picture = good[0].partition(b"\r\n\r\n")[2]
    kinds: dict[str, list[Talk]] = {
        "good": [ask(lambda: rng.choice(good))] * connections,
        "slow heads": [drip(start, lambda: b"x-a: b\r\n", 1)] * attackers,
        "header bombs": list(bombs()),
        "slow bodies": [drip(slow_body, lambda: b"x", 1)] * attackers,
        "forms": [ask(lambda: strange_form(rng, picture))] * 4,
        "hosts": [ask(lambda: request(picture, "image/png", rng.choice(HOSTS)))] * 2,
    }
    records = {kind: Record() for kind in kinds}
    before = resident(process)
    tasks = [asyncio.create_task(again(port, talk, records[kind], until)) for kind in kinds for talk in kinds[kind]]
    found = Attacked(records, 0.0, 0.0)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        health = asyncio.wrap_future(pool.submit(probe_health, port, until))
        while time.monotonic() < until:
            found.memory = max(found.memory, (resident(process) - before) / 1024)
            await asyncio.sleep(0.25)
        await asyncio.gather(*tasks)
        records["health"] = await health
    found.health = max(records["health"].seconds)
    return found


def attacked(port: int, process: int, good: list[bytes], seconds: float, connections: int, attackers: int) -> Attacked:
    """``attack`` from its beginning to its end; in a process that is not the service's, whose memory is measured."""
    return asyncio.run(attack(port, process, good, seconds, connections, attackers))


def probe_health(port: int, until: float) -> Record:
    """Ask for /health on new connections; in a process of its own, whose figures the attack's own load is not in."""
    record = Record()
    while not record.seconds or time.monotonic() < until:
        began = time.monotonic()
        try:
            connection = http.client.HTTPConnection(LOCAL, port, timeout=10)
            connection.request("GET", "/health")
            record.answers[connection.getresponse().status] += 1
            connection.close()
        except OSError:
            record.ended += 1
        record.seconds.append(time.monotonic() - began)
        time.sleep(0.1)
    return record


def table(found: Attacked, seconds: float) -> str:
    """The figures as Markdown."""
    lines = ["| client | answers by status | ended without | answers / s | ms: median, most |", "|---|---|---|---|---|"]
    for kind, record in found.records.items():
        statuses = ", ".join(f"{status}: {count}" for status, count in sorted(record.answers.items())) or "none"
        took = sorted(record.seconds) or [float("nan")]
        rate = sum(record.answers.values()) / seconds
        times = f"{1000 * took[len(took) // 2]:.0f}, {1000 * took[-1]:.0f}"
        lines.append(f"| {kind} | {statuses} | {record.ended} | {rate:.0f} | {times} |")
    lines += ["", f"health within {found.health:.2f} s; memory +{found.memory:.0f} MiB; log {found.log} bytes"]
    return "\n".join(lines)


def good_requests(pictures: str) -> list[bytes]:
    """Requests with the first pictures of a folder."""
    files = picture_files([pictures])[:64]
    return [request(path.read_bytes(), "image/png" if path.suffix == ".png" else "image/jpeg") for path in files]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving_attack", description=__doc__)
    parser.add_argument("model")
    parser.add_argument("pictures")
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--attackers", type=int, default=300, help="connections of each slow kind")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    with tempfile.TemporaryFile() as log:
        command = [sys.executable, "-u", "-c", LUNGO, "serve", given.model, "--port", "0", "--device", given.device]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().rpartition("  ")[0].rpartition(":")[2])
            time.sleep(2)
            requests = good_requests(given.pictures)
            found = attacked(port, process.pid, requests, given.seconds, given.connections, given.attackers)
        finally:
            process.terminate()
            process.wait()
        found.log = log.seek(0, 2)
        log.seek(0)
        sys.stderr.write(log.read(2000).decode(errors="replace"))
    print(table(found, given.seconds))
    problems = found.problems()
    print("\n".join(problems) or "held")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
