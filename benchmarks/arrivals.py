"""What clients received, told as tables: first answers, silence, latencies."""

import asyncio
import statistics
import time
from collections.abc import Iterable
from itertools import accumulate

from benchmarks.ads_clients import Arrival, ClientKind
from benchmarks.ads_processes import Clients, Unanswered
from benchmarks.measurements import Row

WAIT_S = 120.0
QUIET_S = 1.0


async def take_first(clients: Clients, services: int) -> tuple[Arrival, ...]:
    """Wait for the first full answers; those of delta clients come in parts. Raises Unanswered."""
    arrivals: tuple[Arrival, ...] = ()
    deadline = time.monotonic() + WAIT_S
    while not _is_complete(arrivals, clients, services):
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise Unanswered(f"only {len(arrivals)} answers for {clients.count} clients")
        arrivals += (await clients.take(1, left_s)).arrivals
        await asyncio.sleep(0.05)
    return arrivals


def _is_complete(arrivals: tuple[Arrival, ...], clients: Clients, services: int) -> bool:
    if clients.kind is ClientKind.DELTA:
        return sum(each.resources for each in arrivals) >= services * clients.count
    return len(arrivals) >= clients.count


async def take_until_quiet(clients: Clients) -> tuple[Arrival, ...]:
    """Return everything that arrives until nothing does for a second; raises Unanswered when it never ends."""
    arrivals: tuple[Arrival, ...] = ()
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        new = (await clients.take(1, QUIET_S)).arrivals
        if not new:
            return arrivals
        arrivals += new
    raise Unanswered("responses do not end")


def match_changes(changed_at: Iterable[float], arrivals: Iterable[Arrival]) -> list[float]:
    """Return the seconds that each change took: the n-th came with the n-th resource, as commits keep their order."""
    landed: list[float] = []
    for arrival, total in zip(arrivals, accumulate(each.resources for each in arrivals), strict=True):
        landed += [arrival.at] * (total - len(landed))
    return [at - changed for changed, at in zip(changed_at, landed, strict=True)]


def latency_rows(what: str, latencies: list[float]) -> list[Row]:
    """Return p50 and p99 of latencies in seconds."""
    ordered = sorted(latencies)
    p99 = ordered[min(int(len(ordered) * 0.99), len(ordered) - 1)]
    return [
        Row(f"{what}, p50", statistics.median(ordered) * 1000, "ms"),
        Row(f"{what}, p99", p99 * 1000, "ms"),
    ]
