"""Operators' decisions as they are saved and as replicas tell each other: the newest on each matter wins. Pure.

A file, a saved snapshot and siblings may each know something else; whatever comes in, in any order and any number of
times, the same decision counts in the end.

Holds have numbers of their own in every replica, so a decision names what shrank instead: the scope, and for an accept
all that the hold was given to keep. What an operator has not seen is never let go on his word.
"""

import math
from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Final

import msgspec

from meshregistry.model.instance import Scope
from meshregistry.model.rejects import print_subject
from meshregistry.store.holds import HoldReport
from meshregistry.store.operator import Accept, Freeze, OperatorDecision, ReadAgain, Reject, ServeAnyway, Thaw

_SAME_SHRINK_S: Final = 60.0
"""A replica may see the shrink that was decided about so much later than the one that was asked, seconds."""

_AT_ONCE_S: Final = 60.0
"""What is to be done now, or never, is passed over when it arrives later, seconds: a replica that starts the next day
must not serve half a catalogue because somebody wanted it so today."""

_LAST_INSTANT_S: Final = 1e11
"""Unix seconds; what is dated later would win for ever."""

_LONGEST_NAME: Final = 300
"""Of who decided, as the admin socket makes it: it goes into every line of the journal."""

_MAX_MATTERS: Final = 1000
"""The oldest are forgotten; freezes and thaws, which count for ever, after the rest."""


class Verb(StrEnum):
    """What was decided."""

    ACCEPT = "accept"
    REJECT = "reject"
    FREEZE = "freeze"
    THAW = "thaw"
    SERVE_ANYWAY = "serve_anyway"
    READ_AGAIN = "read_again"


_VERDICTS: Final = (Verb.ACCEPT, Verb.REJECT)
_LASTING: Final = (Verb.FREEZE, Verb.THAW)
_AT_ONCE: Final = (Verb.SERVE_ANYWAY, Verb.READ_AGAIN)


_Text = Annotated[str, msgspec.Meta(max_length=2048)]
"""More than an operator can say: a thousand matters must fit into the file of a ledger."""

_Source = Annotated[str, msgspec.Meta(max_length=64, pattern=r"^[a-z0-9_]+\Z")]


class Decided(msgspec.Struct, frozen=True):
    """A decision that means the same in every replica."""

    at: float
    """Unix seconds."""

    verb: Verb
    by: _Text
    scope: _Text = ""
    cause: _Text = ""
    """Accept and reject: the hold, as operators see it."""

    content: _Text = ""
    """The same; "" is that of an older release, which says too little to accept anything."""

    target: tuple[_Text, _Text, _Text, _Text] = ("", "", "", "")
    """Freeze and thaw."""

    sources: Annotated[tuple[_Source, ...], msgspec.Meta(max_length=100)] = ()
    """Serve anyway and read again; none is all."""

    @property
    def matter(self) -> str:
        """What it is about: one decision on it counts."""
        if self.verb in _LASTING:
            return f"freeze/{'/'.join(self.target)}"
        if self.verb in _AT_ONCE:
            return f"{self.verb}/{','.join(self.sources)}"
        return f"hold/{self.cause}/{self.scope}/{self.content}"


_Mark = tuple[str, float, Verb, str]
"""A decision, with its verb as two may be of one instant, and the hold that it was done about."""


class DecisionBook:
    """Owner of the newest decision on each matter, and of what was done about it here."""

    def __init__(self) -> None:
        self._decided: dict[str, Decided] = {}
        self._done: set[_Mark] = set()
        self._revived: dict[str, float] = {}
        self._missed = (0.0, 0.0)
        """From when on the world that was restored knows nothing, and until when; Unix seconds."""

    def encode(self) -> dict[str, bytes]:
        """Return all decisions by their matters."""
        return {matter: msgspec.json.encode(each) for matter, each in self._decided.items()}

    def note(self, decision: OperatorDecision, holds: Iterable[HoldReport], wall: float) -> None:
        """Take a decision of this replica's operator, which is carried out here by itself."""
        decided = _translate(decision, holds, wall)
        if decided is None:
            return
        known = self._decided.get(decided.matter)
        if (
            known is not None and decided.at <= known.at
        ):  # of a replica whose clock is ahead: the later word still counts
            decided = msgspec.structs.replace(decided, at=math.nextafter(known.at, math.inf))
        self._keep(decided)
        hold = decision.hold.partition("-")[0] if isinstance(decision, Accept | Reject) else ""
        self._done.add(_mark(decided, hold))

    def merge(self, bodies: Mapping[str, bytes]) -> bool:
        """Take the decisions of a sibling; tell whether one of them was news. Raises ValueError for what is none.

        What was decided while this process was down is done as after `restore`: its holds begin anew, too.
        """
        news = False
        for decided in map(_read, bodies.values()):
            if self._take(decided):
                news = True
                self._revive_missed(decided)
        return news

    def restore(self, bodies: Iterable[bytes], known_at: float, wall: float) -> int:
        """Take what was decided before this process began; return how many are of a release that knows others.

        `known_at` is when the world was as it was restored. What was decided about holds since is not done in it: such
        a hold begins anew with the first reading. A start reads everything by itself.
        """
        unknown = 0
        self._missed = (known_at, wall)
        for body in bodies:
            try:
                self._take(_read(body))
            except ValueError:
                unknown += 1
        for decided in self._decided.values():
            if decided.verb is Verb.READ_AGAIN:
                self._done.add(_mark(decided))
            if decided.verb in _VERDICTS and decided.at >= known_at:
                self._revived[decided.matter] = wall
        return unknown

    def _revive_missed(self, decided: Decided) -> None:
        known_at, began_at = self._missed
        if decided.verb in _VERDICTS and 0.0 < known_at <= decided.at < began_at:
            self._revived[decided.matter] = began_at

    def _take(self, decided: Decided) -> bool:
        known = self._decided.get(decided.matter)
        if known is not None and (decided.at, decided.verb) <= (known.at, known.verb):
            return False
        self._keep(decided)
        return True

    def is_waiting(self, wall: float) -> bool:
        """Whether a hold that was decided about may still be seen here."""
        return any(
            wall <= max(decided.at, self._revived.get(decided.matter, 0.0)) + 2 * _SAME_SHRINK_S
            for decided in self._decided.values()
            if decided.verb in _VERDICTS
        )

    def take_due(self, holds: Iterable[HoldReport], frozen: Collection[Scope], wall: float) -> list[OperatorDecision]:
        """Return what was decided elsewhere, or before this process began, and is still to be done here, each once."""
        reports = tuple(holds)
        due: list[OperatorDecision] = []
        for decided in self._decided.values():
            if decided.verb in _LASTING:
                due += self._freezes(decided, frozen)
            elif decided.verb in _AT_ONCE:
                due += self._orders(decided, wall)
            else:
                due += self._verdicts(decided, reports, wall)
        return due

    def _freezes(self, decided: Decided, frozen: Collection[Scope]) -> list[OperatorDecision]:
        target, wanted = Scope(*decided.target), decided.verb is Verb.FREEZE
        if not self._is_new(decided, "") or (target in frozen) is wanted:
            return []
        return [Freeze(target, decided.by) if wanted else Thaw(target, decided.by)]

    def _orders(self, decided: Decided, wall: float) -> list[OperatorDecision]:
        if not self._is_new(decided, "") or abs(wall - decided.at) > _AT_ONCE_S:
            return []
        if decided.verb is Verb.SERVE_ANYWAY:
            return [ServeAnyway(decided.sources, decided.by)]
        return [ReadAgain(source, decided.by) for source in decided.sources]

    def _verdicts(self, decided: Decided, holds: Iterable[HoldReport], wall: float) -> list[OperatorDecision]:
        """Return the accept of a hold with the same content; or the rejects of all that may be the same shrink.

        A replica that has seen a little more or less of it must keep it, too.
        """
        at = max(decided.at, self._revived.get(decided.matter, 0.0))
        same = [
            hold
            for hold in holds
            if (print_subject(hold.scope), hold.cause) == (decided.scope, decided.cause)
            and wall - hold.age_s <= at + _SAME_SHRINK_S
        ]
        if decided.verb is Verb.REJECT:
            return [
                Reject(hold.id, decided.by) for hold in same if not hold.rejected and self._is_new(decided, hold.number)
            ]
        seen = [hold for hold in same if hold.content and hold.content == decided.content]
        return [Accept(hold.id, decided.by) for hold in seen if self._is_new(decided, hold.number)]

    def _is_new(self, decided: Decided, hold: str) -> bool:
        mark = _mark(decided, hold)
        if mark in self._done:
            return False
        self._done.add(mark)
        return True

    def _keep(self, decided: Decided) -> None:
        self._decided.pop(decided.matter, None)
        self._decided[decided.matter] = decided
        if len(self._decided) > _MAX_MATTERS:
            oldest = min(self._decided.values(), key=lambda each: (each.verb in _LASTING, each.at))
            del self._decided[oldest.matter]
            self._revived.pop(oldest.matter, None)
        self._done = {mark for mark in self._done if self._counts(mark)}

    def _counts(self, mark: _Mark) -> bool:
        kept = self._decided.get(mark[0])
        return kept is not None and (kept.at, kept.verb) == mark[1:3]


def _mark(decided: Decided, hold: str = "") -> _Mark:
    return decided.matter, decided.at, decided.verb, hold


def _read(body: bytes) -> Decided:
    try:
        decided = msgspec.json.decode(body, type=Decided)
    except RecursionError as error:
        raise ValueError("a decision that is nested too deeply") from error
    if not 0.0 <= decided.at < _LAST_INSTANT_S:
        raise ValueError(f"a decision at {decided.at:g}, which no clock shows")
    if len(decided.by) <= _LONGEST_NAME and decided.by.isprintable():
        return decided
    return msgspec.structs.replace(decided, by=print_subject(decided.by))


def _translate(decision: OperatorDecision, holds: Iterable[HoldReport], wall: float) -> Decided | None:
    """Return the decision in terms of every replica; None for one about a hold that there is not."""
    match decision:
        case Freeze() | Thaw():
            verb = Verb.FREEZE if isinstance(decision, Freeze) else Verb.THAW
            return Decided(wall, verb, decision.by, target=(*decision.target,))
        case Accept() | Reject():
            verb = Verb.ACCEPT if isinstance(decision, Accept) else Verb.REJECT
            for hold in holds:
                if hold.number == decision.hold.partition("-")[0]:
                    return Decided(wall, verb, decision.by, print_subject(hold.scope), hold.cause, hold.content)
            return None
        case ServeAnyway():
            return Decided(wall, Verb.SERVE_ANYWAY, decision.by, sources=decision.sources)
        case ReadAgain():
            return Decided(wall, Verb.READ_AGAIN, decision.by, sources=(decision.source,))
