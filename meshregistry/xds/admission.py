"""When a stream is served: their number, and the pace of a mass reconnect."""

from grpclib.const import Status

from meshregistry.xds.door import Refused
from meshregistry.xds.options import Limits


class TokenBucket:
    """Spreads arrivals: `rate` per second after a burst. Times are of one monotonic clock, in seconds."""

    def __init__(self, rate: float, burst: int) -> None:
        self._interval_s = 1.0 / rate
        self._tolerance_s = self._interval_s * burst
        self._next_at = 0.0

    def reserve(self, now: float) -> float:
        """Take the next token and return how long to wait for it, in seconds."""
        self._next_at = max(self._next_at, now - self._tolerance_s) + self._interval_s
        return max(self._next_at - now, 0.0)

    def give_back(self) -> None:
        """Return a token that was not used."""
        self._next_at -= self._interval_s


class Admission:
    """Owns the token bucket; `Refused` reasons are metric labels.

    Streams wait for their token instead of being refused: each of them costs one full answer, and an istiod whose
    stream is refused comes back within half a second.
    """

    def __init__(self, limits: Limits) -> None:
        self._max_streams = limits.max_streams
        self._bucket = TokenBucket(limits.new_streams_per_s, limits.new_streams_burst)

    def admit(self, open_streams: int) -> None:
        """Accept a stream, or not.

        Raises:
            Refused: the stream is not served at all.
        """
        if open_streams >= self._max_streams:
            raise Refused(
                Status.RESOURCE_EXHAUSTED, "too_many_streams", f"{self._max_streams} streams are open already"
            )

    def reserve(self, now: float) -> float:
        """Take a token for a stream that has asked for something; return how long it waits for its answer, in seconds.

        Streams that ask for nothing cost no answer, and must not make others wait.
        """
        return self._bucket.reserve(now)

    def give_back(self) -> None:
        """Take back the token of a stream that ended before its first answer."""
        self._bucket.give_back()
