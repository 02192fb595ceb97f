"""An immutable mapping whose next version costs what changes, not what there is."""

from collections.abc import Collection, Iterator, Mapping
from math import isqrt
from typing import Self, TypeVar, overload

Value = TypeVar("Value")
Other = TypeVar("Other")


class Layers(Mapping[str, Value]):
    """A large table that versions share, and a small one over it with what differs; no value may be None.

    When the small one outgrows twice the square root of the large one, both become a new large one: a change among n
    entries costs about that root, and a version that somebody keeps shares the rest with its neighbours.
    """

    __slots__ = ("_count", "_over", "_table")

    def __init__(self, table: dict[str, Value] | None = None) -> None:
        """`table` must not be changed any more."""
        self._table = table or {}
        self._over: dict[str, Value | None] = {}
        self._count = len(self._table)

    def __getitem__(self, key: str) -> Value:
        value = self._over[key] if key in self._over else self._table.get(key)
        if value is None:
            raise KeyError(key)
        return value

    @overload
    def get(self, key: str, default: None = None, /) -> Value | None: ...

    @overload
    def get(self, key: str, default: Value | Other, /) -> Value | Other: ...

    def get(self, key: str, default: Other | None = None, /) -> Value | Other | None:
        """Return a value or the default, without the exception by which Mapping finds out: of a first world none is
        there."""
        value = self._over[key] if key in self._over else self._table.get(key)
        return default if value is None else value

    def __contains__(self, key: object) -> bool:
        return self._over[key] is not None if key in self._over else key in self._table

    def __iter__(self) -> Iterator[str]:
        over = self._over
        yield from (key for key in self._table if key not in over or over[key] is not None)
        yield from (key for key, value in over.items() if value is not None and key not in self._table)

    def __len__(self) -> int:
        return self._count

    def updated(self, changed: Mapping[str, Value], removed: Collection[str]) -> Self:
        """Return the next version; `removed` are keys of this one, none of them changed."""
        over: dict[str, Value | None] = {**self._over, **changed, **dict.fromkeys(removed)}
        if len(over) > 2 * isqrt(len(self._table)):
            return type(self)(_merge(self._table, over))
        version = type(self)(self._table)
        version._over = over
        version._count = self._count + sum(key not in self for key in changed) - len(removed)
        return version


def _merge(table: dict[str, Value], over: Mapping[str, Value | None]) -> dict[str, Value]:
    merged = {**table, **{key: value for key, value in over.items() if value is not None}}
    for key in (key for key, value in over.items() if value is None):
        merged.pop(key, None)
    return merged
