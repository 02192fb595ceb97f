"""A bounded memory for pure functions."""

from typing import TypeVar

_K = TypeVar("_K")
_V = TypeVar("_V")


def remember(table: dict[_K, _V], key: _K, value: _V, limit: int) -> None:
    """Put a value into a table of at most `limit` entries; a full table is cleared first."""
    if len(table) >= limit:
        table.clear()
    table[key] = value
