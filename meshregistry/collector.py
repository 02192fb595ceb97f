"""When Python looks for garbage: not among what imports and the first catalogue make, which stays.

A look walks through every young container, an older generation's through all of them. While a service starts nearly
all of them are new and alive: looking at a million of them costs a second of CPU and a pause of 0.3 s, in vain.
"""

import gc
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meshregistry.store.store import SnapshotStore

_STARTING = (50_000, 10_000, 100)
"""Young containers only: what a service leaves behind that waits for its registry is found all the same."""

_RUNNING = (10_000, 100, 100)
"""At the default thresholds a change among 100,000 endpoints costs pauses of 100 ms; a look at 50,000 young containers
takes 10 to 20 ms, which was the longest pause while a hundred clients connected."""


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
