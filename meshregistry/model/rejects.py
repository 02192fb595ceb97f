"""What was dropped or repaired on the way from instance to resource, and why."""

import msgspec


class Reject(msgspec.Struct, frozen=True, gc=False, order=True):
    """One thing that was dropped or repaired alone.

    `reason` is a short stable word for metrics (`port_range`, `label_value`, `host_invalid`, …), `subject` names
    the offender (an address, a label key, a host), `detail` says what was wrong and what was done.
    """

    resource: str
    reason: str
    subject: str
    detail: str


_LONGEST = 200
_MOST = 50


class RejectNotes:
    """Collects what is dropped from one resource: one reject per reason and subject, at most 50 in all.

    The result does not depend on the order of the additions.
    """

    def __init__(self, resource: str) -> None:
        self._resource = resource
        self._details: dict[tuple[str, str], list[str]] = {}

    def add(self, reason: str, subject: str, detail: str) -> None:
        """Note one thing dropped or repaired."""
        self._details.setdefault((reason, subject), []).append(detail)

    def list_rejects(self) -> tuple[Reject, ...]:
        """Return the rejects in canonical order."""
        if not self._details:
            return ()
        places = sorted(self._details)
        if len(places) <= _MOST:
            return tuple([self._sum_up(place) for place in places])
        rest = Reject(
            print_subject(self._resource), "unlisted", "", f"{len(places) - _MOST + 1} more rejects of this resource"
        )
        return (*[self._sum_up(place) for place in places[: _MOST - 1]], rest)

    def _sum_up(self, place: tuple[str, str]) -> Reject:
        details = self._details[place]
        more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
        resource, subject = print_subject(self._resource), print_subject(place[1])
        return Reject(resource, place[0], subject, print_subject(min(details)) + more)


def print_subject(text: str) -> str:
    """Return registry text as it may appear in a page or a log: valid Unicode, without controls, at most 200 long."""
    shown = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    return shown if shown.isprintable() else shown.encode("unicode_escape", "replace").decode()[:_LONGEST]
