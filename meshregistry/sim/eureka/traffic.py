"""Counters of what clients asked of the simulated server."""

import time
from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Traffic:
    """Calls and bytes of answers by `METHOD /path` since the last reset."""

    requests: Counter[str] = field(default_factory=Counter)
    sent_bytes: Counter[str] = field(default_factory=Counter)
    """As on the wire: compressed where that was asked for."""

    answered_at: float = 0.0
    """Monotonic seconds at which the last call was answered: the same clock for every process of a machine."""

    def note(self, method: str, path: str, sent: int) -> None:
        """Count a call that has been answered."""
        self.requests[f"{method} {path}"] += 1
        self.sent_bytes[f"{method} {path}"] += sent
        self.answered_at = time.monotonic()

    def reset(self) -> None:
        """Forget the counts."""
        self.requests.clear()
        self.sent_bytes.clear()
