"""Tells of what happened: every commit and every decision in metrics, log and journal."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from meshregistry.model.instance import Scope
from meshregistry.model.rejects import print_subject
from meshregistry.model.service_entry import ServiceEntry
from meshregistry.store.guard import Rule
from meshregistry.store.hold_book import HoldBook
from meshregistry.store.holds import GuardEvent, Verdict
from meshregistry.store.journal import Journal, Moment, Origin
from meshregistry.store.operator import ReadAgain, ServeAnyway
from meshregistry.store.origins import MERGED
from meshregistry.store.snapshot import Change, Snapshot
from meshregistry.store.tally import count_commit
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.resource import Resource

_log = logging.getLogger(__name__)

_NAMES_SHOWN = 5
_REMOVED = "removed"
_BY_OPERATOR = {Verdict.ACCEPTED, Verdict.REJECTED, Verdict.FROZEN, Verdict.THAWED}
_LEVELS = {
    Verdict.AWAY: logging.INFO,
    Verdict.GROWN: logging.DEBUG,
    Verdict.RETURNED: logging.DEBUG,
    Verdict.ENDED: logging.INFO,
    Verdict.RECOVERED: logging.INFO,
}
"""What goes on for a while is told at its end; what is not here is a warning."""


class RuleChange(NamedTuple):
    """Another rule keeps a resource, or none."""

    name: str
    before: Rule | None
    after: Rule | None
    entry: ServiceEntry | None
    """What is served by it; None for nothing any more."""

    owner: Scope


class Chronicle:
    """Owner of the journal; called by the reducer only."""

    def __init__(self, metrics: Metrics, journal_size: int, wall: Callable[[], float] = time.time) -> None:
        self.journal = Journal(journal_size)
        self._metrics = metrics
        self._wall = wall

    def tell_commit(
        self,
        change: Change,
        before: Snapshot,
        after: Snapshot,
        origins: Mapping[str, Origin],
        rules: Mapping[str, Rule],
    ) -> Iterator[None]:
        """Count a commit; returns steps that write its changes down, as a first one has 10,000.

        A resource without an origin moved because of another one.
        """
        old, new = before.collection(change.kind).resources, after.collection(change.kind).resources
        count_commit(self._metrics, change, old, new)
        _log.debug("store.committed changed=%d removed=%d", len(change.changed), len(change.removed))
        return self._tell_changes(change, old, new, origins, rules, Moment(self._wall(), after.sequence))

    def _tell_changes(
        self,
        change: Change,
        old: Mapping[str, Resource],
        new: Mapping[str, Resource],
        origins: Mapping[str, Origin],
        rules: Mapping[str, Rule],
        at: Moment,
    ) -> Iterator[None]:
        for name in (*change.changed, *change.removed):
            was, now = old.get(name), new.get(name)
            self.journal.note_change(
                was.entry if was else None,
                now.entry if now else None,
                origins.get(name, MERGED),
                rules[name].value if name in rules else "",
                at,
            )
            yield

    def tell_guard(self, events: Iterable[GuardEvent], book: HoldBook, sequence: int) -> None:
        """Write the guard's decisions about shrinks down; what is held and what is let go is a warning."""
        for event in events:
            self._metrics.guard_decisions.labels(event.verdict.value).inc()
            level = _LEVELS.get(event.verdict, logging.WARNING)
            text = "guard.%s hold=%d scope=%s endpoints=%d resources=%s detail=%s"
            shown = ",".join(print_subject(name) for name in event.resources[:_NAMES_SHOWN])
            unit = print_subject(str(event.unit)) or "everything"
            _log.log(level, text, event.verdict, event.hold, unit, event.endpoints, shown, print_subject(event.detail))
            why = "operator" if event.verdict in _BY_OPERATOR else "guard"
            detail = ", ".join(part for part in (f"hold {event.hold}" if event.hold else "", event.detail) if part)
            origin = Origin(why, event.unit, detail)
            at = Moment(self._wall(), sequence)
            self.journal.note_decision(event.verdict.value, origin, event.endpoints, event.resources, at)
        self._metrics.held_endpoints.set(book.held_endpoints)
        self._metrics.held_shrinks.set(len(book.holds))
        self._metrics.frozen.set(len(book.frozen))

    def tell_rule(self, change: RuleChange, sequence: int) -> None:
        """Count, log and write down that another rule, or none, keeps a resource from now on.

        That it is emptied or removed is a change of what is served, which has a line of its own.
        """
        before, after = change.before, change.after
        for each, step in ((before, -1), (after, 1)):
            if each is not None:
                self._metrics.held_services.labels(each.value).inc(step)
        verdict = after.value if after is not None else _REMOVED if change.entry is None else ""
        if verdict:
            self._metrics.guard_decisions.labels(verdict).inc()
        shown = print_subject(change.name)
        _log.info("guard.changed resource=%s rule=%s before=%s", shown, after or "none", before or "none")
        if change.entry is None or (after or before) is Rule.EMPTIED:
            return
        what, detail = (after.value, "") if after is not None else ("rule_ended", before.value if before else "")
        origin = Origin("guard", change.owner, detail)
        self.journal.note_rule(what, change.entry, origin, after.value if after else "", Moment(self._wall(), sequence))

    def tell_decision(self, decision: ServeAnyway | ReadAgain, sequence: int) -> None:
        """Write down what an operator decided that is no decision about a shrink."""
        by = print_subject(decision.by)
        if isinstance(decision, ReadAgain):
            _log.warning("guard.read_again source=%s by=%s", decision.source, by)
            what, origin = "read_again", Origin("operator", Scope(decision.source, "", "", ""), by)
        else:
            names = ",".join(decision.sources) or "all"
            _log.warning("guard.serve_anyway sources=%s by=%s", names, by)
            what, origin = "serve_anyway", Origin("operator", None, f"sources {names}, {by}")
        self._metrics.guard_decisions.labels(what).inc()
        self.journal.note_decision(what, origin, 0, (), Moment(self._wall(), sequence))
