"""Which servers have no persistent watches. Pure."""

FORGET_AFTER_S = 600.0
_CLOSED_IN_A_ROW = 3


class Capabilities:
    """Owner of what servers (by address) have refused; forgotten after ten minutes, as servers get upgraded."""

    def __init__(self) -> None:
        self._refused_at: dict[str, float] = {}
        self._closed: dict[str, int] = {}

    def has_lasting_watches(self, server: str, now: float) -> bool:
        """Return whether it is worth asking."""
        refused_at = self._refused_at.get(server)
        return refused_at is None or now - refused_at >= FORGET_AFTER_S

    def granted(self, server: str) -> None:
        """Note that the server has them."""
        self._closed.pop(server, None)
        self._refused_at.pop(server, None)

    def refused(self, server: str, now: float) -> None:
        """Note that the server answered that it does not know them; it closes the connection after that."""
        self._closed.pop(server, None)
        self._refused_at[server] = now

    def closed(self, server: str, now: float) -> None:
        """Note that the server closed instead of an answer; three times in a row are a refusal."""
        self._closed[server] = self._closed.get(server, 0) + 1
        if self._closed[server] >= _CLOSED_IN_A_ROW:
            self.refused(server, now)
