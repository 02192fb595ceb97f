"""When to ping a server and when to give it up. Pure."""

from typing import NamedTuple


class Traffic(NamedTuple):
    """When a connection was last used, in monotonic seconds."""

    sent_at: float
    received_at: float
    oldest_request_at: float | None


class Limits(NamedTuple):
    """How much silence is allowed."""

    session_timeout_s: float
    request_timeout_s: float

    @property
    def ping_after_s(self) -> float:
        """Silence of ours after which the server needs a sign of life."""
        return self.session_timeout_s / 3

    @property
    def dead_after_s(self) -> float:
        """Silence of the server after which it is given up, while another one can still take the session over."""
        return self.session_timeout_s * 2 / 3


def fault(limits: Limits, traffic: Traffic, now: float) -> str:
    """Return why the server is to be given up; "" if it is not."""
    if now - traffic.received_at >= limits.dead_after_s:
        return f"nothing received for {now - traffic.received_at:.1f} s"
    oldest = traffic.oldest_request_at
    if oldest is not None and now - oldest >= limits.request_timeout_s:
        return f"a request has no answer after {now - oldest:.1f} s though the server sends"
    return ""


def is_ping_due(limits: Limits, traffic: Traffic, now: float) -> bool:
    """Return whether the server needs a sign of life."""
    return now - traffic.sent_at >= limits.ping_after_s


def next_look(limits: Limits, traffic: Traffic, now: float) -> float:
    """Return in how many seconds something may be due."""
    due = [traffic.sent_at + limits.ping_after_s, traffic.received_at + limits.dead_after_s]
    if traffic.oldest_request_at is not None:
        due.append(traffic.oldest_request_at + limits.request_timeout_s)
    return max(min(due) - now, limits.session_timeout_s / 100)
