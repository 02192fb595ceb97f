"""Whether a process that is under fire for minutes keeps more and more: two series, judged by thirds of their time.

The first third is for warming up. In each later one the fewest objects that ever were alive at once are what is kept
for good; all above that comes and goes with connections. Resident memory has no such floor, as an allocator keeps what
a peak took: it must have found its highest level in the second third.
"""

from collections.abc import Sequence

Series = Sequence[tuple[float, float]]
"""Seconds from the start, and what was measured then."""

MOST_MB_PER_MINUTE = 0.5
"""By which the floor of living objects may rise."""

MOST_STEP_MB = 16.0
"""By which resident memory may be higher at most in the last third than at most in the one before: as much as it grows
by before garbage is looked for (`meshregistry/collector.py`)."""

BLOCK_BYTES = 80
"""The mean size of one of Python's memory blocks in this process."""


def measure_rise(blocks: Series, duration_s: float) -> float:
    """Return by how much the floor of living objects rose, in MB a minute; 0 where there is nothing to compare."""
    middle, last = _split(blocks, duration_s)
    if not middle or not last:
        return 0.0
    return (min(last) - min(middle)) * BLOCK_BYTES / 1e6 / (duration_s / 3 / 60)


def measure_step(resident_mb: Series, duration_s: float) -> float:
    """Return by how much resident memory was higher in the last third than ever in the one before, in MB."""
    middle, last = _split(resident_mb, duration_s)
    return max(last) - max(middle) if middle and last else 0.0


def can_measure(series: Series, duration_s: float) -> bool:
    """Tell whether there is something to compare."""
    return all(_split(series, duration_s))


def _split(series: Series, duration_s: float) -> tuple[list[float], list[float]]:
    third_s = duration_s / 3
    middle = [value for at, value in series if third_s <= at < 2 * third_s]
    return middle, [value for at, value in series if 2 * third_s <= at]
