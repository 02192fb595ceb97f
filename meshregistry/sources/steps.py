"""Long work that can be interrupted, without a word of who interrupts it: pure code stays pure."""

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")

Steps = Generator[None, None, T]
"""Work that pauses after every part of at most a millisecond or two, and returns its result."""


def finish(steps: Generator[object, None, T]) -> T:
    """Do the work in one go, whatever its steps yield; raises what it raises."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
