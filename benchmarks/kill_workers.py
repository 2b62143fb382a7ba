"""Kill random workers of a loaded server, over and over: what does it cost, and when is it healed?

    python benchmarks/kill_workers.py --kills 200 --workers 2

Clients ask without a pause, each over a connection of its own, and every request that fails is held against the kills:
only requests that were in flight at the killed worker may fail, with UNAVAILABLE, and the service is back when a new
connection is answered and when the killed worker's successor serves.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import numpy as np
from soak_serving import FEATURES, start

from headrace.client import Client
from headrace.core.errors import HeadraceError

BACK_S = 2.0
UNNOTICED_S = 0.25
"""A client's library may take so long to notice a broken connection; what it sends there was in flight too."""

HEAL_LIMIT_S = 60.0


@dataclass
class Account:
    """One client's account: requests answered, and when and with what the others failed."""

    answered: int = 0
    failures: list[tuple[float, float, str, str]] = field(default_factory=list)


class Clients:
    """Threads that ask without a pause, one request in flight and one connection each."""

    def __init__(self, address: str, count: int) -> None:
        self._address = address
        self._stop = threading.Event()
        self.accounts = [Account() for _ in range(count)]
        self._threads = [threading.Thread(target=self._run, args=(account,)) for account in self.accounts]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Stop and wait."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, account: Account) -> None:
        rows = np.random.default_rng(1).normal(size=(4, FEATURES)).astype(np.float32)
        with Client(self._address, timeout_s=10) as client:
            while not self._stop.is_set():
                asked_at = time.monotonic()
                try:
                    client.infer("forest", rows)
                    account.answered += 1
                except HeadraceError as error:
                    account.failures.append((asked_at, time.monotonic(), error.code.value, error.message))


def serving_events(log: Path) -> list[dict[str, Any]]:
    """Events of workers that serve, in order."""
    lines = [line for line in log.read_text().splitlines() if '"worker_serves"' in line]
    return [json.loads(line) for line in lines]


def answers_again(address: str) -> float:
    """Seconds until a new connection is answered."""
    begin = time.monotonic()
    while True:
        options = (("grpc.use_local_subchannel_pool", 1), ("grpc.initial_reconnect_backoff_ms", 100))
        with grpc.insecure_channel(address, options=options) as channel:
            live = channel.unary_unary("/inference.GRPCInferenceService/ServerLive", lambda x: x, lambda x: x)
            try:
                live(b"", timeout=5)
                return time.monotonic() - begin
            except grpc.RpcError:
                if time.monotonic() > begin + HEAL_LIMIT_S:
                    sys.exit("the service did not come back")


def kill(arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Kill, wait until healed, pause, again; what came of it."""
    process, info = start(arguments, folder)
    chooser = random.Random(arguments.seed)
    serving = {event["worker"]: event["pid"] for event in serving_events(folder / "server.log")}
    clients = Clients(info["address"], arguments.clients)
    answered_s, healed_s, killed_at = [], [], []
    try:
        time.sleep(1.0)
        for count in range(1, arguments.kills + 1):
            worker = chooser.choice(sorted(serving))
            os.kill(serving[worker], signal.SIGKILL)
            killed_at.append(time.monotonic())
            answered_s.append(answers_again(info["address"]))
            events = _wait_for_successor(folder / "server.log", arguments.workers + count)
            healed_s.append(time.monotonic() - killed_at[-1])
            serving[worker] = events[-1]["pid"]
            time.sleep(chooser.uniform(0.0, arguments.pause))
    finally:
        clients.stop()
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
    return _report(clients, killed_at, {"answered": answered_s, "healed": healed_s}, code)


def _wait_for_successor(log: Path, count: int) -> list[dict[str, Any]]:
    limit = time.monotonic() + HEAL_LIMIT_S
    while len(events := serving_events(log)) < count:
        if time.monotonic() > limit:
            sys.exit("the killed worker has no successor")
        time.sleep(0.02)
    return events


def _report(clients: Clients, killed_at: list[float], seconds: dict[str, list[float]], code: int) -> dict[str, Any]:
    failures = [failure for account in clients.accounts for failure in account.failures]
    stray = [one for one in failures if not any(one[0] <= at + UNNOTICED_S and at <= one[1] for at in killed_at)]
    return {
        "kills": len(killed_at),
        "answered": sum(account.answered for account in clients.accounts),
        "failed": len(failures),
        "failed_in_flight_at_a_kill": len(failures) - len(stray),
        "others": [
            {"s_after_a_kill": round(one[0] - max(at for at in killed_at if at <= one[1]), 3), "text": one[3]}
            for one in stray[:10]
        ],
        "codes": sorted({one[2] for one in failures}),
        **{
            f"{name}_s": {"median": round(float(np.median(values)), 3), "max": round(max(values), 3)}
            for name, values in seconds.items()
        },
        "healed_after_2_s": sum(value > BACK_S for value in seconds["healed"]),
        "exit_code": code,
    }


def main() -> None:
    """Kill, print what it cost as JSON, fail if it cost more than it may."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--door", default="auto")
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--pause", type=float, default=1.0, help="the longest pause between two kills, s")
    parser.add_argument("--prediction-log", action="store_true", help="log predictions")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = kill(arguments, Path(folder))
    print(json.dumps(found, indent=2))
    stray = found["failed"] - found["failed_in_flight_at_a_kill"]
    if stray or set(found["codes"]) - {"unavailable"} or found["answered_s"]["max"] > BACK_S or found["exit_code"]:
        sys.exit(f"{stray} requests failed that no kill explains, codes {found['codes']}")


if __name__ == "__main__":
    main()
