"""The two caches in front of a registry (eureka-core, ResponseCacheImpl): why a change is seen late.

What was written is kept until something changes, and of that a copy is taken at an interval. Readers get the copy.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

_GZIP_WINDOW = 31


class Key(NamedTuple):
    """What is asked for and how it is written."""

    kind: Literal["apps", "delta", "app", "vip", "svip"]
    name: str = ""
    is_json: bool = True
    is_compact: bool = False
    regions: str = ""


@dataclass(slots=True)
class Written:
    """An answer as it was written at a time; compressed once, when that is first asked for."""

    at: float
    body: bytes
    _gzipped: bytes = field(default=b"", repr=False)

    def gzipped(self) -> bytes:
        """The body compressed."""
        if not self._gzipped:
            packer = zlib.compressobj(1, wbits=_GZIP_WINDOW)
            self._gzipped = packer.compress(self.body) + packer.flush()
        return self._gzipped


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheOptions:
    """The product's defaults; seconds. Without the copy readers see changes at once."""

    use_copy: bool = True
    copy_period_s: float = 30.0
    expiry_s: float = 180.0


class ResponseCache:
    """Owner of both caches. `write` gives the body of a key, None for what does not exist."""

    def __init__(self, write: Callable[[Key], bytes | None], options: CacheOptions, now: float) -> None:
        self._write = write
        self._options = options
        self._copy_at = now + options.copy_period_s
        self._written: dict[Key, Written | None] = {}
        self._copies: dict[Key, Written | None] = {}

    def get(self, key: Key, now: float) -> Written | None:
        """Return the answer to a reader."""
        if not self._options.use_copy:
            return self._current(key, now)
        if key not in self._copies:
            self._copies[key] = self._current(key, now)
        return self._copies[key]

    def settle(self, now: float) -> None:
        """Take the copy if it is due, of what is there before the next change."""
        if now < self._copy_at:
            return
        missed = (now - self._copy_at) // self._options.copy_period_s
        self._copy_at += (missed + 1) * self._options.copy_period_s
        for key in self._copies:
            self._copies[key] = self._current(key, now)

    def invalidate(self) -> None:
        """Write anew what is next asked for."""
        self._written.clear()

    def forget(self) -> None:
        """Be empty, as after a restart."""
        self._written.clear()
        self._copies.clear()

    def _current(self, key: Key, now: float) -> Written | None:
        known = self._written.get(key)
        if key not in self._written or (known is not None and now >= known.at + self._options.expiry_s):
            body = self._write(key)
            self._written[key] = None if body is None else Written(now, body)
        return self._written[key]
