"""What the client tells its observer, in the order in which it happens."""

from dataclasses import dataclass

from meshregistry.watch.effects import Effect
from meshregistry.watch.model import Handled


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """A stream is open and the first requests, one per type, are about to be sent."""

    types: int


@dataclass(frozen=True, slots=True)
class ResponseApplied:
    """A response was applied; ``effects`` has one entry per event of ``handled``."""

    handled: Handled
    effects: tuple[Effect, ...]
    missing_types: tuple[str, ...]
    """The types readiness still waits for."""


@dataclass(frozen=True, slots=True)
class StreamLost:
    """The stream ended or could not be opened; the next attempt comes after ``retry_s`` seconds."""

    reason: str
    retry_s: float


Observation = StreamOpened | ResponseApplied | StreamLost
