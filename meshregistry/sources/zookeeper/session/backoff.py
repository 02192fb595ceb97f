"""How long to wait before the next connection attempt. Pure."""


class Backoff:
    """Owner of the number of attempts in a row that came to nothing."""

    def __init__(self, first_s: float, factor: float, longest_s: float) -> None:
        self._first_s = first_s
        self._factor = factor
        self._longest_s = longest_s
        self._failures = 0

    def failed(self, dice: float) -> float:
        """Count a failure and return the pause after it; `dice` is in [0, 1) and shortens it by up to half."""
        grown = self._first_s * self._factor ** min(self._failures, 64)
        self._failures += 1
        return min(grown, self._longest_s) * (1 - dice / 2)

    def lost(self, lived_s: float, session_timeout_s: float, dice: float) -> float:
        """Return the pause after a connection that was good for `lived_s`.

        None after a long life; a short one counts as a failure, or a server that accepts and drops would be called
        without end.
        """
        if lived_s < session_timeout_s:
            return self.failed(dice)
        self._failures = 0
        return 0.0
