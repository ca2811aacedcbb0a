"""How `lungo serve` bears load: connections that ask without pause, then ten times the requests that it answered.

python -m benchmarks.serving model.onnx pictures/ [--connections 200] [--seconds 60] [--places 256] [--overload 20]

The service and the clients are processes of their own on the same machine, so they share its cores. A client sends
its next picture when the last one is answered; in the overload clients come at their own pace, whatever they are told.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from caffelungo.inference.picture_input import picture_files

LUNGO = "import sys; from caffelungo.cli.main import run; run(sys.argv[1:])"


@dataclass
class Seen:
    """What the clients of one round saw: seconds of each answer by status, failures by kind, KiB of the service."""

    answers: dict[int, list[float]] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)
    memory: list[int] = field(default_factory=list)

    def share(self, status: int, part: float) -> float:
        """Milliseconds that ``part`` of the answers with ``status`` took at most."""
        took = sorted(self.answers.get(status, [])) or [float("nan")]
        return 1000 * took[min(len(took) - 1, int(part * len(took)))]


async def client(port: int, requests: list[bytes], start: int, until: float, pause: float, seen: Seen) -> None:
    """One connection, kept open, that asks until ``until``, every ``pause`` seconds (0: when it was answered)."""
    await asyncio.sleep(pause * random.random())
    reader = writer = None
    turn = start
    while time.monotonic() < until:
        began = time.monotonic()
        try:
            if writer is None:
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
            assert reader is not None
            writer.write(requests[turn % len(requests)])
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 120)
            length = re.search(rb"content-length: (\d+)", head)
            await reader.readexactly(int(length[1]) if length else 0)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            seen.failures[type(error).__name__] += 1
            if writer is not None:
                writer.close()
            reader = writer = None
            continue
        seen.answers.setdefault(int(head[9:12]), []).append(time.monotonic() - began)
        turn += 1
        if (left := began + pause - time.monotonic()) > 0:
            await asyncio.sleep(left)
    if writer is not None:
        writer.close()


async def load(
    port: int, process: int, requests: list[bytes], connections: int, seconds: float, pause: float = 0
) -> Seen:
    """All connections at once; the service's memory is read each second."""
    seen, until = Seen(), time.monotonic() + seconds
    clients = [asyncio.create_task(client(port, requests, k, until, pause, seen)) for k in range(connections)]
    while time.monotonic() < until:
        seen.memory.append(resident(process))
        await asyncio.sleep(1)
    await asyncio.gather(*clients)
    return seen


def resident(process: int) -> int:
    """KiB of memory that a process holds."""
    text = Path(f"/proc/{process}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text)[1])  # type: ignore[index]


def row(name: str, seen: Seen, seconds: float) -> str:
    """A line of the table."""
    good, busy = len(seen.answers.get(200, [])), len(seen.answers.get(503, []))
    other = {status: len(took) for status, took in seen.answers.items() if status not in (200, 503)}
    wrong = ", ".join(f"{kind} {count}" for kind, count in [*other.items(), *seen.failures.items()]) or "0"
    times = " / ".join(f"{seen.share(200, part):.0f}" for part in (0.5, 0.9, 0.99))
    refusals = f"{seen.share(503, 0.5):.0f} / {seen.share(503, 0.99):.0f}" if busy else "–"
    # The first tenth of a round may still fill caches; growth is what comes after it.
    early, late = seen.memory[len(seen.memory) // 10], seen.memory[-1]
    return (f"| {name} | {good} | {good / seconds:.0f} | {times} | {busy} | {refusals} | {wrong} | "
            f"{early / 1024:.0f} → {late / 1024:.0f} |")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("model")
    parser.add_argument("pictures")
    parser.add_argument("--connections", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--places", type=int, default=256, help="--queue of the service")
    parser.add_argument("--overload", type=float, default=20, help="seconds of ten times the load")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    requests = []
    for path in picture_files([given.pictures])[:64]:
        data = path.read_bytes()
        head = "POST /classify HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\n"
        head += f"Content-Length: {len(data)}\r\n\r\n"
        requests.append(head.encode() + data)
    command = [sys.executable, "-c", LUNGO, "serve", given.model, "--port", "0", "--queue", str(given.places),
               "--threads", str(given.threads)]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    try:
        assert process.stdout is not None
        found = re.search(r":(\d+) ", process.stdout.readline())
        assert found is not None
        port = int(found[1])
        asyncio.run(load(port, process.pid, requests, 4, 5))
        print(f"load of the machine before: {os.getloadavg()[0]:.1f}, on {os.cpu_count()} cores\n")
        print("| round | answered | a second | ms p50 / p90 / p99 | 503 | ms of a 503 p50 / p99 | errors | MiB held |")
        print("|---|---|---|---|---|---|---|---|", flush=True)
        calm = f"{given.connections} connections, "
        seen = asyncio.run(load(port, process.pid, requests, given.connections, given.seconds))
        print(row(f"{calm}{given.seconds:g} s", seen, given.seconds), flush=True)
        held, rate = seen.memory, 10 * len(seen.answers.get(200, [])) / given.seconds
        crowd = 10 * given.places
        seen = asyncio.run(load(port, process.pid, requests, crowd, given.overload, crowd / rate))
        print(row(f"{crowd} connections, {rate:.0f} requests a second, {given.overload:g} s", seen, given.overload))
        seen = asyncio.run(load(port, process.pid, requests, given.connections, 10))
        print(row(f"{calm}again, 10 s", seen, 10), flush=True)
        steps = held[:: max(1, len(held) // 12)]
        print(f"\nMiB held in the first round: {', '.join(f'{kib / 1024:.0f}' for kib in steps)}.")
        process.terminate()
        print(f"It stopped with status {process.wait(60)}.")
    finally:
        process.kill()


if __name__ == "__main__":
    main()
