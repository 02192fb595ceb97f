"""When Python looks for garbage: not among what imports and the first catalogue make, which stays.

A look walks through every young container, an older generation's through all of them. While a service starts nearly
all of them are new and alive: looking at a million of them costs a second of CPU and a pause of 0.3 s, in vain.
"""

import asyncio
import gc
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, NoReturn

if TYPE_CHECKING:
    from meshregistry.store.store import SnapshotStore

_STARTING = (1_000, 100_000, 100)
"""Young containers only: what a service leaves behind that waits for its registry is found all the same. A few at a
time: they are still in the processor's cache, so that 1,000 take a tenth of a millisecond, 50,000 took 10 to 45."""

_RUNNING = (1_000, 1_000, 100)
"""At the default thresholds a change among 100,000 endpoints costs pauses of 100 ms: older containers are looked at a
hundred times more seldom."""

_GROWTH_BYTES = 16 * 1024 * 1024
_GROWTH_BLOCKS = 100_000
"""Of Python's own small objects, some 8 MB: what 250 connections leave behind."""

_LOOK_S = 5.0
_SHARE = 0.01
"""Of the time that looks through everything may take while memory keeps growing."""


class Footprint(NamedTuple):
    """How much memory is in use."""

    resident_bytes: int
    """As the system sees it; it hardly falls when objects go, whose neighbours stay."""

    blocks: int
    """Of Python's own: small objects that exist now."""

    def has_grown(self, since: "Footprint") -> bool:
        """Whether it is worth a look through everything."""
        is_larger = self.resident_bytes >= since.resident_bytes + _GROWTH_BYTES
        return is_larger or self.blocks >= since.blocks + _GROWTH_BLOCKS

    def least(self, other: "Footprint") -> "Footprint":
        """Return the less of each."""
        return Footprint(min(self.resident_bytes, other.resident_bytes), min(self.blocks, other.blocks))


def stop_collecting() -> None:
    """Do not look at all until `spare_first_world`; called before anything large is imported."""
    gc.disable()


def spare_first_world(store: "SnapshotStore") -> None:
    """Leave what was imported out of every look, and the first complete world once it is there."""
    gc.freeze()
    gc.set_threshold(*_STARTING)
    gc.enable()
    stop_listening = store.listen(lambda change: _settle())

    def _settle() -> None:
        if store.current.complete:
            gc.freeze()
            gc.set_threshold(*_RUNNING)
            stop_listening()


def note_loading(store: "SnapshotStore") -> Callable[[], bool]:
    """Return a call that tells whether the first world is coming in: not complete, and grown since the last call."""
    sequence = store.current.sequence

    def is_loading() -> bool:
        nonlocal sequence
        before, sequence = sequence, store.current.sequence
        return not store.current.complete and sequence != before

    return is_loading


async def look_when_grown(
    is_loading: Callable[[], bool] = lambda: False,
    measure: Callable[[], Footprint] | None = None,
    collect: Callable[[], object] | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> NoReturn:
    """Look through everything when memory has grown by 16 MB or 100,000 objects, for ever; cancelling it is safe.

    A connection that ends leaves some 40 KB that refer to each other in a circle (HTTP/2 states, tasks, tracebacks).
    One that lived for long is of an old generation, which the thresholds above next to never look at: 500 clients that
    came and went cost 22 MB each time. A look takes 40 ms per 100,000 containers, so after each there is a rest.
    While the first world is coming in, it is what memory grows by.

    Objects are counted because resident memory alone is a ratchet: what a look sets free stays resident and is filled
    with garbage again, and the next look came 16 MB above it: 75 MB became 200 in 15 minutes of faults.
    """
    take, look = measure or read_footprint, collect or look_through
    known, rests_until = take(), 0.0
    while True:
        await sleep(_LOOK_S)
        present = take()
        known = known.least(present)
        started = clock()
        if is_loading() or not present.has_grown(known) or started < rests_until:
            continue
        look()
        rests_until = clock() + (clock() - started) / _SHARE
        known = take()


def look_through() -> None:
    """Set free what is garbage, and give what C's allocator keeps of it back to the system.

    Python's own arenas stay as long as one object in them lives. When some 2,000 connections had come and gone, 36 of
    184 MB went back, in 9 ms.
    """
    gc.collect()
    _trim_heap()


def _trim_heap() -> None:
    """Have glibc give back what lies before memory that is in use: it does so only when asked (malloc_trim(3))."""
    import ctypes  # only now: a start needs neither its time nor its memory

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def read_footprint() -> Footprint:
    """Return how much memory the process has now; takes a tenth of a millisecond per million objects."""
    return Footprint(_read_resident_bytes(), sys.getallocatedblocks())


def _read_resident_bytes() -> int:
    """Return what is resident; 0 where the system does not tell as Linux does."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
