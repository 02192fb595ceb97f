"""What a session counts, for its status page and the metrics."""

from dataclasses import dataclass, field

from meshregistry.sources.zookeeper.session.requests import Op
from meshregistry.telemetry.metrics import Metrics


@dataclass(slots=True)
class Latency:
    """Answers to one type of request."""

    answers: int = 0
    errors: int = 0
    total_s: float = 0.0
    longest_s: float = 0.0

    def describe(self) -> dict[str, object]:
        """Return the numbers, times in milliseconds."""
        mean_s = self.total_s / self.answers if self.answers else 0.0
        return {
            "answers": self.answers,
            "errors": self.errors,
            "mean_ms": round(mean_s * 1000, 3),
            "max_ms": round(self.longest_s * 1000, 3),
        }


@dataclass(slots=True)
class Meters:
    """Owner of a session's counters; they only grow."""

    metrics: Metrics | None = None
    connects: int = 0
    attempts: int = 0
    expiries: int = 0
    losses: int = 0
    retries: int = 0
    events: int = 0
    rearm_chunks: int = 0
    by_op: dict[Op, Latency] = field(default_factory=dict)
    published: tuple[int, int] = (0, 0)
    """Good and bad answers that the metrics know of."""

    def answered(self, op: Op, seconds: float, *, failed: bool) -> None:
        """Count an answer."""
        latency = self.by_op.get(op)
        if latency is None:
            latency = self.by_op[op] = Latency()
        latency.answers += 1
        latency.errors += failed
        latency.total_s += seconds
        latency.longest_s = max(latency.longest_s, seconds)

    def publish(self) -> None:
        """Add to the metrics what was answered since the last time; cheaper than to add each answer."""
        if self.metrics is None:
            return
        errors = sum(latency.errors for latency in self.by_op.values())
        good = sum(latency.answers for latency in self.by_op.values()) - errors
        counts = self.metrics.source_client_request_count
        counts.labels("zookeeper", "true").inc(good - self.published[0])
        counts.labels("zookeeper", "false").inc(errors - self.published[1])
        self.published = (good, errors)

    def describe(self) -> dict[str, object]:
        """Return the counters."""
        return {
            "connects": self.connects,
            "attempts": self.attempts,
            "expiries": self.expiries,
            "losses": self.losses,
            "retries": self.retries,
            "watch_events": self.events,
            "rearm_chunks": self.rearm_chunks,
            "requests": {op.name.lower(): latency.describe() for op, latency in self.by_op.items()},
        }
