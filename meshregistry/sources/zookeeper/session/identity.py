"""Which session is ours, and when it is not any more. Pure."""

from meshregistry.sources.zookeeper.session.greeting import Ticket, Welcome


class Identity:
    """Owner of the session's id, password and last transaction seen; they outlive connections."""

    def __init__(self, session_timeout_s: float) -> None:
        self.ticket = Ticket()
        self.timeout_s = session_timeout_s
        """As negotiated last; before that, as asked for."""

        self._used_id = 0
        self._lost_at: float | None = None

    def accepted(self, welcome: Welcome) -> None:
        """Take what the server granted."""
        self.ticket = self.ticket._replace(session_id=welcome.session_id, password=welcome.password)
        self.timeout_s = welcome.timeout_s

    def used(self) -> bool:
        """Note that the session is in use from now on; return whether it is another one than was in use before."""
        is_new = self._used_id != self.ticket.session_id
        self._used_id = self.ticket.session_id
        return is_new

    def expired(self) -> None:
        """Ask for a new session from now on."""
        self.ticket = Ticket(last_zxid=self.ticket.last_zxid)
        self._used_id = 0

    def lost(self, last_zxid: int, now: float) -> None:
        """Note the end of a connection that was in use, and the newest transaction it has shown.

        Connections that never got so far must not be noted: the events of the watches they armed again may be lost.
        """
        self.ticket = self.ticket._replace(last_zxid=max(self.ticket.last_zxid, last_zxid))
        self._lost_at = now

    def unanswered(self, now: float) -> bool:
        """Take note that a server closed without a greeting; return whether everything was forgotten.

        That is how a server refuses a client that has seen newer transactions than its own. A server that was set up
        anew refuses for ever, so a session that must have expired in the meantime is given up for a fresh start.
        """
        if self._lost_at is None or now - self._lost_at <= self.timeout_s or self.ticket == Ticket():
            return False
        self.ticket = Ticket()
        self._used_id = 0
        return True
