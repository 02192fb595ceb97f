"""The operator's hand on the guard: what can be decided, and how a decision reaches the single writer.

Decisions travel through the same queue as the registries' statements, so that they are ordered with them.
"""

from collections.abc import Callable, Collection, Iterable
from typing import Protocol

import msgspec

from meshregistry.errors import MeshRegistryError
from meshregistry.model.events import SourceUpdate
from meshregistry.model.instance import Scope
from meshregistry.model.pods import PodsChanged
from meshregistry.store.holds import HoldReport
from meshregistry.store.rules import RulesReplaced

_EVERYTHING = "everything"

EVERYTHING = Scope("", "", "", "")
"""Freezes everything; an empty field of a target stands for all of its kind."""


class Accept(msgspec.Struct, frozen=True, tag="accept"):
    """Let a held shrink happen now, if it holds what it held when somebody looked."""

    hold: str
    """As `HoldReport.id` has it: another one once more was put into the hold."""

    by: str = "operator"


class Reject(msgspec.Struct, frozen=True, tag="reject"):
    """Keep what is held until the registry brings it back or somebody accepts."""

    hold: str
    by: str = "operator"


class Freeze(msgspec.Struct, frozen=True, tag="freeze"):
    """Hold every shrink within a target; additions and changes of what stays flow."""

    target: Scope
    by: str = "operator"


class Thaw(msgspec.Struct, frozen=True, tag="thaw"):
    """End a freeze."""

    target: Scope
    by: str = "operator"


class ServeAnyway(msgspec.Struct, frozen=True, tag="serve_anyway"):
    """Serve although sources have not been read completely: those named, or all."""

    sources: tuple[str, ...] = ()
    by: str = "operator"


class ReadAgain(msgspec.Struct, frozen=True, tag="read_again"):
    """Have a source read everything now. The reducer only writes it down: the sources are told on the way to it."""

    source: str
    by: str = "operator"


OperatorDecision = Accept | Reject | Freeze | Thaw | ServeAnyway | ReadAgain
StoreUpdate = SourceUpdate | OperatorDecision | RulesReplaced | PodsChanged


class UnknownTargetError(MeshRegistryError):
    """There is no such hold, scope or freeze."""


class GuardView(Protocol):
    """What the desk shows: the reducer."""

    @property
    def frozen(self) -> tuple[Scope, ...]:
        """What is frozen."""
        ...

    @property
    def pending_sources(self) -> tuple[str, ...]:
        """Enabled sources that have not yet read each of their scopes once."""
        ...

    @property
    def scopes(self) -> Collection[Scope]:
        """Every scope that contributes something or of which something is held."""
        ...

    def list_holds(self) -> list[HoldReport]:
        """Return every held shrink, the oldest first."""
        ...


class Queue(Protocol):
    """Where decisions go: the inbox of the reducer."""

    async def publish(self, update: OperatorDecision) -> None:
        """Hand over one decision; waits while the queue is full."""
        ...

    async def settle(self) -> None:
        """Return once what was handed over before has taken effect."""
        ...


class Ledger(Queue, Protocol):
    """A queue that remembers what went through it."""

    async def secure(self) -> str:
        """Return once what was handed over before outlives this process: "" then, otherwise why it does not."""
        ...


class OperatorDesk:
    """What an admin interface calls. Owns nothing: it looks at the reducer and writes to its queue.

    `sources` are the kinds that run; the collection may change.

    A decision is checked against what is so now and takes effect a moment later; by then what it is about may be gone,
    which changes nothing. `by` names who decided, for the journal. Cancelling a call is safe: it was not handed over.
    Who waits for `settle` after a decision sees it in what is shown, and the next decision is checked against it.
    """

    def __init__(
        self,
        view: GuardView,
        queue: Ledger,
        sources: Collection[str],
        tell_stale: Callable[[], Iterable[str]] = tuple,
    ) -> None:
        self._tell_stale = tell_stale
        self._view = view
        self._queue = queue
        self._sources = sources

    @property
    def pending_sources(self) -> tuple[str, ...]:
        """Enabled sources that have not yet read each of their scopes once."""
        return self._view.pending_sources

    def list_holds(self) -> list[HoldReport]:
        """Return every held shrink, the oldest first."""
        return self._view.list_holds()

    def list_frozen(self) -> list[str]:
        """Return what is frozen, as `find_target` takes it."""
        return [str(target) or _EVERYTHING for target in self._view.frozen]

    def tell_stale(self) -> tuple[str, ...]:
        """Return which sources are older than they should be, or not in what is served, for humans."""
        return tuple(self._tell_stale())

    async def settle(self) -> None:
        """Return once what has been decided so far has taken effect. Cancelling is safe."""
        await self._queue.settle()

    async def secure(self) -> str:
        """Return once what has been decided so far outlives this process: "" then, otherwise why it does not.

        Cancelling is safe.
        """
        return await self._queue.secure()

    async def accept(self, hold: str, by: str) -> HoldReport:
        """Let a held shrink happen now; returns it as it was.

        Raises UnknownTargetError, for one that holds more than was seen, too.
        """
        report = self._find_hold(hold)
        if report.id != hold:
            raise UnknownTargetError(_tell_changed(report, hold))
        await self._queue.publish(Accept(hold, by))
        return report

    def why_not_accepted(self, hold: str) -> str:
        """Return why an accepted hold is still there once the decision has taken effect; "" when it is not."""
        for report in self._view.list_holds():
            if report.number == hold.partition("-")[0] and report.id != hold:
                return _tell_changed(report, hold)
        return ""

    async def reject(self, hold: str, by: str) -> HoldReport:
        """Keep a held shrink held, with what has come to it since; returns it. Raises UnknownTargetError."""
        report = self._find_hold(hold)
        await self._queue.publish(Reject(hold, by))
        return report

    async def freeze(self, target: str, by: str) -> Scope:
        """Hold every shrink of a scope, a source or `everything`. Raises UnknownTargetError."""
        scope = self.find_target(target)
        await self._queue.publish(Freeze(scope, by))
        return scope

    async def thaw(self, target: str, by: str) -> Scope:
        """End a freeze. Raises UnknownTargetError when there is none."""
        for scope in self._view.frozen:
            if (str(scope) or _EVERYTHING) == target:
                await self._queue.publish(Thaw(scope, by))
                return scope
        raise UnknownTargetError(f"{target} is not frozen")

    async def serve_anyway(self, by: str) -> tuple[str, ...]:
        """Serve what is known although sources are not complete; returns those that are not."""
        pending = self._view.pending_sources
        if pending:
            await self._queue.publish(ServeAnyway(pending, by))
        return pending

    async def read_again(self, source: str, by: str) -> tuple[str, ...]:
        """Have a source, or `everything`, read in full now; returns which. Raises UnknownTargetError."""
        wanted = tuple(sorted(self._sources)) if source == _EVERYTHING else (source,)
        for each in wanted:
            if each not in self._sources:
                known = ", ".join(sorted(self._sources)) or "none"
                raise UnknownTargetError(f"there is no source {source}; those that run: {known}")
            await self._queue.publish(ReadAgain(each, by))
        return wanted

    def find_target(self, text: str) -> Scope:
        """Return the scope of `everything`, a source's name or a scope as pages print it. Raises UnknownTargetError."""
        if text == _EVERYTHING:
            return EVERYTHING
        if text in self._sources:
            return Scope(text, "", "", "")
        for scope in self._view.scopes:
            for whole in (scope, scope._replace(group=""), Scope(scope.source, scope.registry, "", "")):
                if str(whole) == text:
                    return whole
            if scope.source == text:
                return Scope(text, "", "", "")
        raise UnknownTargetError(f"nothing is known of {text}")

    def _find_hold(self, hold: str) -> HoldReport:
        number = hold.partition("-")[0]
        for report in self._view.list_holds():
            if report.number == number:
                return report
        raise UnknownTargetError(f"there is no hold {hold}")


def _tell_changed(report: HoldReport, hold: str) -> str:
    return (
        f"nothing was accepted: hold {hold} is {report.id} now, with {report.held} endpoints; look at it and name it so"
    )
