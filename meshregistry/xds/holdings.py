"""What each client has of one resource, and since when; read by the debug pages, nothing is decided here."""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

import msgspec

from meshregistry.model.service_entry import Kind
from meshregistry.xds.clients import ConnectedStream
from meshregistry.xds.coverage import Since
from meshregistry.xds.protocol import AdsStream
from meshregistry.xds.type_state import TypeState


class HoldingState(StrEnum):
    """What a client has, in words."""

    HELD = "holds this version"
    OLDER = "holds an older version"
    REFUSED = "refused this version"
    NOTHING = "has nothing yet"
    PART = "sees a part only, without this resource"
    DROPPED = "knows that it is gone"
    KEPT = "holds what was served before"


class Subject(NamedTuple):
    """The resource asked about, and the store's commit that last changed it."""

    kind: Kind
    name: str
    sequence: int
    is_gone: bool = False
    """Whether that commit removed it."""


class Holding(msgspec.Struct, frozen=True):
    """What one client has of one resource; ages in seconds."""

    connection: str
    state: HoldingState
    version_acked: str
    """Of all that the client sees, not of the resource."""

    acked_age_s: float | None
    """Since the client's last ACK of the type."""

    held_s: float | None
    """Since the ACK that first covered the resource's last change; None for a client that has not acknowledged it."""

    is_held_longer: bool = False
    """Whether `held_s` is only the least that is known."""


def list_holdings(streams: Iterable[ConnectedStream], subject: Subject, now: float) -> Iterator[Holding]:
    """Yield what every client that asks for the kind has; `now` is of the machines' clock, seconds."""
    for stream in streams:
        for state in stream.machine.types.values():
            if state.kind is subject.kind:
                verdict, since = _judge(stream.machine, state, subject)
                yield Holding(
                    stream.connection,
                    verdict,
                    state.acked_version,
                    None if state.acked_at is None else round(now - state.acked_at, 3),
                    None if since is None else round(now - since.at, 3),
                    since is not None and not since.is_exact,
                )


def _judge(machine: AdsStream, state: TypeState, subject: Subject) -> tuple[HoldingState, Since | None]:
    if state.coverage.is_refused(subject.sequence):
        return HoldingState.REFUSED, None
    if not len(state.coverage):
        return HoldingState.NOTHING, None
    if not subject.is_gone and not machine.sees(state, subject.name):
        return HoldingState.PART, None
    since = state.coverage.find(subject.sequence)
    if since is None:
        return HoldingState.KEPT if subject.is_gone else HoldingState.OLDER, None
    return HoldingState.DROPPED if subject.is_gone else HoldingState.HELD, since
