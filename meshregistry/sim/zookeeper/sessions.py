"""Sessions: who holds them, how long they last, what ends with them."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

PASSWORD_BYTES = 16


class Holder(Protocol):
    """A connection that speaks for a session."""

    def cut(self) -> None:
        """Close it without a word."""


@dataclass(slots=True)
class Session:
    """One session; `deadline_s` is moved by every packet, `holder` is None while nobody is connected."""

    number: int
    password: bytes
    timeout_ms: int
    deadline_s: float = 0.0
    holder: Holder | None = None


class Sessions:
    """Owner of all sessions; `clock` is monotonic, in seconds."""

    def __init__(self, shortest_ms: int, longest_ms: int, clock: Callable[[], float]) -> None:
        self._shortest_ms = shortest_ms
        self._longest_ms = longest_ms
        self._clock = clock
        self._sessions: dict[int, Session] = {}
        self._next = secrets.randbits(40) << 16 | 1

    def __len__(self) -> int:
        return len(self._sessions)

    def numbers(self) -> list[int]:
        """The living sessions, oldest first."""
        return list(self._sessions)

    def find(self, number: int) -> Session | None:
        """The session, None if there is none."""
        return self._sessions.get(number)

    def open(self, timeout_ms: int, holder: Holder) -> Session:
        """Start a session."""
        session = Session(self._next, secrets.token_bytes(PASSWORD_BYTES), 0)
        self._next += 1
        self._sessions[session.number] = session
        self._hold(session, timeout_ms, holder)
        return session

    def resume(self, number: int, password: bytes, timeout_ms: int, holder: Holder) -> Session | None:
        """Continue a session on another connection, cutting the one that held it; None if that cannot be."""
        session = self._sessions.get(number)
        if session is None or session.password != password:
            return None
        if session.holder is not None:
            session.holder.cut()
        self._hold(session, timeout_ms, holder)
        return session

    def touch(self, session: Session) -> None:
        """It is alive."""
        session.deadline_s = self._clock() + session.timeout_ms / 1000

    def touch_all(self) -> None:
        """Start every period anew, as a server does that has just become the one to decide."""
        for session in self._sessions.values():
            self.touch(session)

    def end(self, number: int) -> Session | None:
        """Forget a session; None if there was none."""
        return self._sessions.pop(number, None)

    def due(self) -> list[int]:
        """Sessions that have been silent for too long."""
        now_s = self._clock()
        return [number for number, session in self._sessions.items() if session.deadline_s <= now_s]

    def next_deadline_s(self) -> float | None:
        """When to look again, None if there are no sessions."""
        return min((each.deadline_s for each in self._sessions.values()), default=None)

    def _hold(self, session: Session, timeout_ms: int, holder: Holder) -> None:
        session.timeout_ms = min(max(timeout_ms, self._shortest_ms), self._longest_ms)
        session.holder = holder
        self.touch(session)
