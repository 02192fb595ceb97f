"""What a soak saw, and what is thought of it."""

from collections import Counter
from dataclasses import dataclass, field
from statistics import median, quantiles

from tests.campaign.churn import Arrival
from tests.campaign.memory import MOST_MB_PER_MINUTE, MOST_STEP_MB, can_measure, measure_rise, measure_step

_LEAST_PACE = 0.9
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
    rate: float = 0.0
    """Changes a second that were asked for."""

    def calm_arrivals(self) -> list[Arrival]:
        """Return the arrivals of changes that were under way while nothing was broken."""
        return [each for each in self.arrivals if not any(_meet(each, span) for span in self.spans)]

    @property
    def keeps(self) -> bool:
        """Whether it keeps more and more, once it has had the time to settle."""
        rises = measure_rise(self.blocks, self.duration_s) > MOST_MB_PER_MINUTE
        return self.duration_s >= SETTLED_S and (rises or measure_step(self.memory, self.duration_s) > MOST_STEP_MB)

    @property
    def lacking(self) -> list[str]:
        """What a soak has that was one, and this one has not, in words: without it nothing lost proves nothing."""
        is_long = self.duration_s >= SETTLED_S
        found = (
            (not self.changes, "no change"),
            (not self.spans, "no fault"),
            (not self.arrivals, "no registration that arrived"),
            (is_long and not can_measure(self.blocks, self.duration_s), "no count of living objects"),
            (is_long and not can_measure(self.memory, self.duration_s), "no measure of memory"),
            (is_long and self.pace < _LEAST_PACE * self.rate, f"not {self.rate:.0f} changes a second"),
        )
        return [what for is_lacking, what in found if is_lacking]

    @property
    def pace(self) -> float:
        """Changes a second."""
        return self.changes / max(self.active_s, 1.0)

    @property
    def is_good(self) -> bool:
        """Whether it was a soak, nothing was lost or wrong, and memory does not grow."""
        return not (self.lost or self.wrong or self.keeps or self.lacking)

    def verdict(self) -> str:
        """Return the line for the end."""
        took = sorted(each.took_s for each in self.calm_arrivals())
        p50, p99 = (median(took), quantiles(took, n=100)[98]) if len(took) > 1 else (0.0, 0.0)
        word = "passed" if self.is_good else ", ".join(["FAILED", *self.lacking])
        resident_mb = self.memory[-1][1] if self.memory else 0.0
        rise, step = measure_rise(self.blocks, self.duration_s), measure_step(self.memory, self.duration_s)
        return (
            f"{word}: {self.duration_s:.0f} s, {self.changes} changes ({self.pace:.0f}/s), "
            f"{len(self.spans)} faults, {self.lost} lost, {self.wrong} wrong, memory {resident_mb:.0f} MB, "
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
