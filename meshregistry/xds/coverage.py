"""Which commits a client has acknowledged, and since when: for people with a question, nothing is decided by it.

A commit is covered by the first ACK of a response that was composed after it. With 16 responses a second a list of all
ACKs would be long or short-lived, so the newest are kept one by one and older ones ever further apart: what has not
changed for seven hours is known to have been there for at least five, and since when what a stream began with is known
exactly.
"""

from typing import Final, NamedTuple

NEWEST: Final = 32
"""ACKs of which every one is remembered."""

MOST: Final = 192
"""ACKs remembered, at most; older ones are thinned out when there are so many."""

_SPREAD: Final = 1.4
_STEP_S: Final = 0.1
"""How much older than the next one an ACK may be: what was acknowledged between them is told as the newer of the two,
so five sevenths of the true time at least. In a hundred years that is less than `MOST`."""

_MOST_REFUSALS: Final = 8


class Since(NamedTuple):
    """When a client acknowledged something, in seconds of the caller's monotonic clock."""

    at: float
    is_exact: bool
    """False when it may have been earlier."""


class _Ack(NamedTuple):
    sequence: int
    at: float
    is_exact: bool
    """Whether no other ACK between this one and the one before it in the list was forgotten."""


class Coverage:
    """Owner of what one type of one stream has acknowledged; changed by `AdsStream` alone.

    Sequences are the store's commit numbers and never fall from call to call; nor do times.
    """

    def __init__(self, *, is_resumed: bool = False) -> None:
        """`is_resumed`: the client held something before the stream began."""
        self._acks: list[_Ack] = []
        self._refused: list[tuple[int, int]] = []
        self._is_resumed = is_resumed
        self._part_at: float | None = None

    def __len__(self) -> int:
        return len(self._acks)

    def acknowledge(self, sequence: int, now: float) -> None:
        """Note that the client has what there was at a commit."""
        self._part_at = None
        self._acks.append(_Ack(sequence, now, bool(self._acks) or not self._is_resumed))
        if len(self._acks) >= MOST:
            self._acks = _thin_out(self._acks, now)

    def acknowledge_part(self, now: float) -> None:
        """Note that the client has a part of what there is; without the others that says nothing of any commit."""
        self._part_at = now

    def stretch(self, sequence: int) -> None:
        """Note that the client has what there is at a commit by what it acknowledged last: nothing is left to say."""
        if self._part_at is not None:
            self.acknowledge(sequence, self._part_at)
        elif self._acks:
            self._acks[-1] = self._acks[-1]._replace(sequence=sequence)

    def refuse(self, sequence: int) -> None:
        """Note that the client refused what came since its last ACK, up to a commit, and will not be sent it again."""
        self._refused.append((self._acks[-1].sequence if self._acks else 0, sequence))
        if len(self._refused) > _MOST_REFUSALS:
            (after, _), (_, until), *later = self._refused
            self._refused = [(after, until), *later]

    def is_refused(self, sequence: int) -> bool:
        """Whether the client refused a response with what a commit changed."""
        return any(after < sequence <= until for after, until in self._refused)

    def find(self, sequence: int) -> Since | None:
        """Return since when the client has what a commit changed; None when it has not acknowledged it."""
        return next((Since(each.at, each.is_exact) for each in self._acks if each.sequence >= sequence), None)


def _thin_out(acks: list[_Ack], now: float) -> list[_Ack]:
    """Return the first ACK, the newest ones, and those between whose loss would leave too wide a gap.

    Times only become more alike with age, so that a gap never grows too wide later.
    """
    kept = acks[: -NEWEST - 1 : -1]
    for index in range(len(acks) - NEWEST - 1, 0, -1):
        if now - acks[index - 1].at > (now - kept[-1].at) * _SPREAD + _STEP_S:
            kept.append(acks[index])
        elif kept[-1].is_exact:
            kept[-1] = kept[-1]._replace(is_exact=False)
    return [acks[0], *reversed(kept)]
