"""The xDS conversation of one stream: requests, changes and clock values in, responses to send out.

Nothing here awaits or knows a socket. One classifier reads every nonce and every error detail; the dialects differ
in reading names and composing content (`sotw`, `delta`). Rules: xDS protocol, sections "ACK/NACK and resource type
instance version", "Subscribing to resources", "Incremental xDS"; for istiod's habits pkg/adsc/adsc.go.
"""

import zlib
from collections.abc import Callable
from enum import Enum

import msgspec

from meshregistry.errors import AdsProtocolError
from meshregistry.model.service_entry import Kind
from meshregistry.store.snapshot import Change
from meshregistry.xds.coverage import Coverage
from meshregistry.xds.options import AdsOptions, LimitExceeded
from meshregistry.xds.requests import Node, Request
from meshregistry.xds.type_state import Content, InFlight, Reason, Rejection, TypeState
from meshregistry.xds.type_urls import Answer, accepts_version_stubs, served_kind, unserved_answer
from meshregistry.xds.views import View
from meshregistry.xds.visibility import Visibility, read_visibility

Look = Callable[[Kind | None, Visibility], View | None]
"""Gives what a client sees of a kind now; None while the kind is held."""

NewType = Callable[[AdsOptions, str, Kind | None, float | None], TypeState]
"""Makes a dialect's state of a type, from its URL, its kind and the age at which stubs are refreshed (None: never)."""

_MAX_MESSAGE = 2000
_MAX_TEXT = 2048
"""Of a type URL, a name, or what a client says of itself: each is kept for as long as its stream."""


class Verdict(Enum):
    """What a request turned out to be."""

    INIT = "init"
    RECONNECT = "reconnect"
    """A first request that carries a nonce or versions of an earlier stream; istiod's always does."""

    RESUBSCRIBE = "resubscribe"
    ACK = "ack"
    NACK = "nack"
    STALE = "stale"
    SPONTANEOUS = "spontaneous"


class Receipt(msgspec.Struct, frozen=True):
    """The outcome of one request."""

    verdict: Verdict
    state: TypeState
    ack_s: float | None = None
    """From the end of sending to the ACK or NACK."""

    convergence_s: float | None = None
    """From the registry's answer that showed the oldest change in the response (its commit, if unknown) to its ACK."""


class Push(msgspec.Struct, frozen=True):
    """One response to send now."""

    state: TypeState
    type_url: str
    nonce: str
    reason: Reason
    content: Content


class AdsStream:
    """The machine of one stream; owned by the servicer's handler of that stream.

    Feed it with `receive`, `note_change` and `note_sent`; ask `next_push` until it returns None and again at
    `next_wake_up` or after feeding it. Times are of one monotonic clock, in seconds.
    """

    def __init__(
        self,
        new_type: NewType,
        options: AdsOptions,
        look: Look,
        cursor: Callable[[], int],
        stream_id: str,
    ) -> None:
        """`cursor` tells the store's commit number; `stream_id` makes the nonces unique among streams."""
        self._new_type = new_type
        self._options = options
        self._look = look
        self._cursor = cursor
        self._stream_id = stream_id
        self._nonces = 0
        self._held = False
        self._visibility = Visibility()
        self.node = Node()
        self.types: dict[str, TypeState] = {}

    def receive(self, request: Request, now: float) -> Receipt:
        """Take one request.

        Raises:
            AdsProtocolError: the stream must end: no type URL, or no node id on the first request.
            LimitExceeded: the stream must end: too many types or names, or too long ones.
        """
        if not request.type_url:
            raise AdsProtocolError("type_url is empty")
        _check_lengths(request.type_url, *request.names, *request.subscribe, *request.unsubscribe)
        if not self.types:
            self._introduce(request.node)
        state = self.types.get(request.type_url)
        receipt = self._begin(request) if state is None else self._continue(state, request, now)
        if receipt.state.subscription.size > self._options.limits.max_names:
            raise LimitExceeded(f"more than {self._options.limits.max_names} names for {request.type_url}")
        return receipt

    def note_change(self, change: Change, now: float) -> bool:
        """Take one commit; tell whether `next_push` has to be asked anew.

        What was due already has its time, so that a thousand commits during one pause wake nobody a thousand times.
        """
        # A commit may complete the snapshot, which releases what it held.
        news = self._held
        for state in self.types.values():
            if state.kind is change.kind and state.note_change(change):
                news = news or state.due is None
                state.demand(Reason.CHANGE)
                state.changed_at = (change.observed_at or now) if state.changed_at is None else state.changed_at
        return news

    def next_push(self, now: float) -> Push | None:
        """Return the next response to send at this time, counted as sent; None if there is nothing to send now.

        Raises:
            Forgotten: an incremental client is too far behind; its stream must end.
        """
        self._held = False
        for state in sorted(self.types.values(), key=_rank):
            if state.refresh_at is not None and now >= state.refresh_at:
                state.demand(Reason.REFRESH)
            if state.due is None or now < self._ready_at(state):
                continue
            view = self._look(state.kind, self._visibility)
            if view is None:
                self._held = True
                continue
            if (push := self._compose(state, view, now)) is not None:
                return push
        return None

    def note_sent(self, push: Push, size_bytes: int, stubs: int, now: float) -> None:
        """Take note that a response is completely handed over; the pause and the wait for its ACK begin."""
        state = push.state
        state.earliest = now + state.pause_s(push.content)
        state.responses += 1
        state.sent_bytes += size_bytes
        state.stubs += stubs
        if state.in_flight is not None:
            state.in_flight.sent_at = now

    def next_wake_up(self) -> float | None:
        """Return when `next_push` may have something without new input; None: only input can change that."""
        states = self.types.values()
        times = [self._ready_at(state) for state in states if state.due is not None and self._is_open(state)]
        times += [state.refresh_at for state in states if state.due is None and state.refresh_at is not None]
        return min(times, default=None)

    def sees(self, state: TypeState, name: str) -> bool:
        """Tell whether a resource is among those that are served to this client now."""
        view = self._look(state.kind, self._visibility)
        return view is not None and state.subscription.wants(name) and view.get(name) is not None

    @property
    def is_welcome(self) -> bool:
        """False for a client that an incremental listener must not answer: it would take a part for the whole."""
        return not self._options.incremental or (self.node.generator == "api" and self.node.marked)

    def _introduce(self, node: Node | None) -> None:
        if node is None or not node.id:
            raise AdsProtocolError("the first request has no node id")
        _check_lengths(node.id, node.generator, node.revision)
        self.node = node
        self._visibility = read_visibility(
            node.revision, self._options.extra_revisions, strict=self._options.strict_revision
        )

    def _begin(self, request: Request) -> Receipt:
        if len(self.types) >= self._options.limits.max_types:
            raise LimitExceeded(f"more than {self._options.limits.max_types} types on one stream")
        kind = served_kind(request.type_url)
        state = self._new_type(self._options, request.type_url, kind, self._refresh_interval(request.type_url))
        unwanted = kind is None and unserved_answer(request.type_url) is Answer.SILENCE
        state.silent = unwanted or not self.is_welcome
        state.visibility = self._visibility
        state.begin(request)
        state.demand(Reason.FIRST)
        self.types[request.type_url] = state
        known = bool(request.nonce or request.version or request.initial_versions)
        state.coverage = Coverage(is_resumed=known)
        return Receipt(Verdict.RECONNECT if known else Verdict.INIT, state)

    def _refresh_interval(self, type_url: str) -> float | None:
        """Return the age at which this stream's stubs are refreshed, different for each stream; None: no stubs."""
        if not self._options.version_stubs or not accepts_version_stubs(type_url, self.node.generator):
            return None
        spread = zlib.crc32(self._stream_id.encode()) / 2**32
        return self._options.rhythm.full_push_interval_s * (0.5 + spread / 2)

    def _continue(self, state: TypeState, request: Request, now: float) -> Receipt:
        verdict = _classify(state, request)
        if request.error is not None:
            state.rejections += 1
            state.rejection = Rejection(request.nonce, request.error.code, request.error.message[:_MAX_MESSAGE], now)
        if request.error is not None or (verdict is Verdict.SPONTANEOUS and state.answers_empty_nonce):
            state.distrust()
        unanswered = not state.nonce
        is_heard = verdict is not Verdict.STALE or state.honours_stale_names or unanswered
        owed = is_heard and state.adjust(request)
        if owed or (verdict is Verdict.SPONTANEOUS and state.answers_empty_nonce):
            state.demand(Reason.REQUEST)
        receipt = Receipt(verdict, state)
        if verdict in (Verdict.ACK, Verdict.NACK):
            is_resubscribed = verdict is Verdict.ACK and owed
            receipt = self._acknowledge(state, Verdict.RESUBSCRIBE if is_resubscribed else verdict, now)
        if owed:
            state.forget_coverage()
        return receipt

    def _acknowledge(self, state: TypeState, verdict: Verdict, now: float) -> Receipt:
        sent, state.in_flight = state.in_flight, None
        if sent is None:
            return Receipt(verdict, state)
        ack_s = max(now - sent.sent_at, 0.0)
        if verdict is Verdict.NACK:
            if not state.resends_refused:
                state.coverage.refuse(sent.sequence)
            return Receipt(verdict, state, ack_s)
        if sent.is_last:
            state.coverage.acknowledge(sent.sequence, now)
        else:
            state.coverage.acknowledge_part(now)
        state.acked_nonce, state.acked_version, state.ack_s = sent.nonce, sent.version, ack_s
        state.acked_at = now
        return Receipt(verdict, state, ack_s, None if sent.changed_at is None else now - sent.changed_at)

    def _is_open(self, state: TypeState) -> bool:
        return self._look(state.kind, self._visibility) is not None

    def _ready_at(self, state: TypeState) -> float:
        """Return when a due response may be sent: pauses hold back changes, a missing ACK holds back everything."""
        paused = state.earliest if state.due in (Reason.CHANGE, Reason.REFRESH) else 0.0
        if state.in_flight is None:
            return paused
        return max(paused, state.in_flight.sent_at + self._options.rhythm.ack_timeout_s)

    def _compose(self, state: TypeState, view: View, now: float) -> Push | None:
        reason, content = state.due, state.compose(view, now)
        changed_at, state.changed_at = state.changed_at, None
        state.due = Reason.REST if state.has_rest else None
        if content is None or reason is None:
            self._note_nothing_new(state)
            return None
        self._nonces += 1
        state.nonce = state.make_nonce(f"{self._stream_id}.{self._nonces}")
        state.version = content.version
        changed_at = changed_at if reason is Reason.CHANGE else None
        is_last = not state.has_rest
        state.in_flight = InFlight(state.nonce, content.version, now, changed_at, self._cursor(), is_last)
        return Push(state, state.type_url, state.nonce, reason, content)

    def _note_nothing_new(self, state: TypeState) -> None:
        """Take note that what was sent last is still what there is; what was refused says nothing of the client."""
        if state.in_flight is not None:
            state.in_flight.sequence, state.in_flight.is_last = self._cursor(), not state.has_rest
        elif state.acked_nonce == state.nonce:
            state.coverage.stretch(self._cursor())


def _check_lengths(*texts: str) -> None:
    longest = max(map(len, texts))
    if longest > _MAX_TEXT:
        raise LimitExceeded(f"a type, a name or a node's id of {longest} characters, more than {_MAX_TEXT}")


def _classify(state: TypeState, request: Request) -> Verdict:
    if not state.nonce:
        # Nothing was sent yet, so no nonce can be right; the first answer is still due and serves this request too.
        return Verdict.STALE if request.nonce else Verdict.SPONTANEOUS
    if request.nonce == state.nonce:
        return Verdict.ACK if request.error is None else Verdict.NACK
    return Verdict.STALE if request.nonce else Verdict.SPONTANEOUS


def _rank(state: TypeState) -> int:
    # Types without data gate istiod's readiness and cost nothing; a Sidecar refers to hosts of ServiceEntries.
    return 0 if state.kind is None else 1 if state.kind is Kind.SERVICE_ENTRY else 2
