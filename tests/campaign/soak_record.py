"""What a soak saw, and what is thought of it."""

from collections import Counter
from dataclasses import dataclass, field
from statistics import median, quantiles

from tests.campaign.churn import Arrival
from tests.campaign.memory import MOST_MB_PER_MINUTE, MOST_STEP_MB, measure_rise, measure_step

SETTLED_S = 900.0
"""A shorter soak does not judge memory: a third of it is too short to grow into all caches."""


@dataclass(frozen=True, slots=True)
class Span:
    """A fault: its name, and from when to when it was made, in seconds from the start."""

    name: str
    begin_s: float
    end_s: float


@dataclass(slots=True)
class Record:
    """What a soak saw; times in seconds from the start."""

    started: float
    memory: list[tuple[float, float]] = field(default_factory=list)
    """Resident memory in MB."""

    blocks: list[tuple[float, float]] = field(default_factory=list)
    """Python's small objects."""

    arrivals: list[Arrival] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    lost: int = 0
    wrong: int = 0
    notes: list[str] = field(default_factory=list)
    """What was lost and wrong, at least some of it."""

    changes: int = 0
    active_s: float = 0.0
    duration_s: float = 0.0

    def calm_arrivals(self) -> list[Arrival]:
        """Return the arrivals of changes that were under way while nothing was broken."""
        return [each for each in self.arrivals if not any(_meet(each, span) for span in self.spans)]

    @property
    def keeps(self) -> bool:
        """Whether it keeps more and more, once it has had the time to settle."""
        rises = measure_rise(self.blocks, self.duration_s) > MOST_MB_PER_MINUTE
        return self.duration_s >= SETTLED_S and (rises or measure_step(self.memory, self.duration_s) > MOST_STEP_MB)

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost or wrong, and memory does not grow."""
        return not self.lost and not self.wrong and not self.keeps

    def verdict(self) -> str:
        """Return the line for the end."""
        took = sorted(each.took_s for each in self.calm_arrivals())
        p50, p99 = (median(took), quantiles(took, n=100)[98]) if len(took) > 1 else (0.0, 0.0)
        word, pace = "passed" if self.is_good else "FAILED", self.changes / max(self.active_s, 1.0)
        rise, step = measure_rise(self.blocks, self.duration_s), measure_step(self.memory, self.duration_s)
        return (
            f"{word}: {self.duration_s:.0f} s, {self.changes} changes ({pace:.0f}/s), "
            f"{len(self.spans)} faults, {self.lost} lost, {self.wrong} wrong, memory {self.memory[-1][1]:.0f} MB, "
            f"living objects {rise:+.2f} MB/min, highest level {step:+.0f} MB, "
            f"latency p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"
        )

    def report(self, run: str, picture: str) -> str:
        """Return a page in Markdown; `run` is what was measured, `picture` the name of the file beside it."""
        faults = Counter(span.name for span in self.spans)
        made = ", ".join(f"{name} {count}" for name, count in sorted(faults.items()))
        lines = [f"# Soak, {run}", self.verdict(), f"![memory and latency]({picture})", f"Faults: {made}.", *self.notes]
        return "\n\n".join(lines) + "\n"


def _meet(arrival: Arrival, span: Span) -> bool:
    return span.begin_s <= arrival.made_at + arrival.took_s and arrival.made_at <= span.end_s
