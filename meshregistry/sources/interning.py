"""Sharing of equal values: registry data repeats itself, and 100,000 copies of one label set cost 80 MB."""

from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Interner(Generic[T]):
    """Returns one object for equal values. When `limit` values are held it starts over, so it is bounded."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pool: dict[T, T] = {}

    def share(self, value: T) -> T:
        """Return the pooled object that equals `value`, or pool `value` and return it."""
        pooled = self._pool.get(value)
        if pooled is not None:
            return pooled
        if len(self._pool) >= self._limit:
            self._pool.clear()
        self._pool[value] = value
        return value

    def __len__(self) -> int:
        return len(self._pool)
