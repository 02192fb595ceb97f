"""Ways in which the gRPC side of the simulated server can misbehave, for one message type, service or for all."""

from typing import Literal

import msgspec

from meshregistry.sim.faults import ArmedFaults


class RpcFault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One misbehaviour: which messages it meets (all given fields must fit) and what happens to them.

    `type` is the name of a client's request or of a message of the server's own (NotifySubscriberRequest,
    NamingFuzzyWatchSyncRequest, NamingFuzzyWatchChangeNotifyRequest, SetupAckRequest, …). `times` limits it to so
    many messages. `delay_s` comes first. `stall` answers never and keeps the connection open; `reset` ends the stream
    or cuts the connection; `error_code` refuses in the form of the expected answer; `body` replaces lists by empty
    ones or cuts the JSON; `stale_ms` dates service data back.
    """

    type: str = ""
    service: str = ""
    group: str = ""
    namespace: str = ""
    times: int | None = None
    delay_s: float = 0.0
    error_code: int | None = None
    body: Literal["empty", "truncated"] | None = None
    stall: bool = False
    reset: Literal["stream", "connection"] | None = None
    stale_ms: int = 0


class RpcSubject(msgspec.Struct, frozen=True):
    """What a message is about, for faults to fit."""

    type: str
    namespace: str = ""
    group: str = ""
    service: str = ""


class RpcFaultPlan(ArmedFaults[RpcFault]):
    """The faults of the gRPC side."""

    def strike(self, subject: RpcSubject) -> RpcFault | None:
        """The first fault that meets this message, used up by one; None if there is none."""
        return self.use(lambda fault: _fits(fault, subject))


def _fits(fault: RpcFault, subject: RpcSubject) -> bool:
    wanted = (
        (fault.type, subject.type),
        (fault.service, subject.service),
        (fault.group, subject.group),
        (fault.namespace, subject.namespace),
    )
    return all(want in ("", given) for want, given in wanted)
