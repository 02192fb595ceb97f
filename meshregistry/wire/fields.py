"""Reads protobuf messages field by field, without recursion: for bytes from strangers.

betterproto's codec recurses for each level of a message, and 60 KB with 5,000 levels overflow its stack and end the
process. Here only what is asked for is looked into; everything else is skipped, as protobuf asks.
"""

from collections.abc import Iterator
from typing import Final

_LENGTH_DELIMITED: Final = 2
_FIXED: Final = {1: 8, 5: 4}
_MAX_FIELDS: Final = 250_000
"""In one message, over all levels: 80,000 initial versions, and about 0.2 s of a hostile peer's pleasure."""


class BadMessage(ValueError):
    """The bytes are no message that is read; the text goes on after the message's name."""


class Fields:
    """The fields of one message, by number; of repeated scalars the last counts.

    `budget` is how many more fields the message may have; all its levels share it. Every method that looks into a
    field can raise BadMessage.
    """

    __slots__ = ("_blocks", "_budget", "_numbers")

    def __init__(self, data: bytes, budget: Iterator[int] | None = None) -> None:
        self._blocks: dict[int, list[bytes]] = {}
        self._numbers: dict[int, int] = {}
        self._budget = iter(range(_MAX_FIELDS)) if budget is None else budget
        for number, value in _scan(data):
            if next(self._budget, None) is None:
                raise BadMessage(f"has more than {_MAX_FIELDS} fields")
            if isinstance(value, bytes):
                self._blocks.setdefault(number, []).append(value)
            else:
                self._numbers[number] = value

    def blocks(self, number: int) -> list[bytes]:
        """Return the contents of a length-delimited field, in order."""
        return self._blocks.get(number, [])

    def message(self, number: int) -> "Fields":
        """Return an embedded message; several occurrences are merged, which reading their concatenation does."""
        return Fields(b"".join(self.blocks(number)), self._budget)

    def messages(self, number: int) -> "Iterator[Fields]":
        """Yield the messages of a repeated field."""
        return (Fields(block, self._budget) for block in self.blocks(number))

    def texts(self, number: int) -> tuple[str, ...]:
        """Return the strings of a repeated field."""
        return tuple(_decode(block) for block in self.blocks(number))

    def text(self, number: int) -> str:
        """Return a string, "" where there is none."""
        blocks = self.blocks(number)
        return _decode(blocks[-1]) if blocks else ""

    def number(self, number: int) -> int:
        """Return an integer, 0 where there is none."""
        return self._numbers.get(number, 0)


def _scan(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    position, end = 0, len(data)
    while position < end:
        tag, position = _read_varint(data, position)
        number, wire_type = tag >> 3, tag & 7
        if number == 0:
            raise BadMessage("is not protobuf: field number 0")
        if wire_type == 0:
            value, position = _read_varint(data, position)
            yield number, value
            continue
        if wire_type == _LENGTH_DELIMITED:
            size, position = _read_varint(data, position)
        elif wire_type in _FIXED:
            size = _FIXED[wire_type]
        else:
            raise BadMessage(f"is not protobuf: wire type {wire_type}")
        start, position = position, position + size
        if position > end:
            raise BadMessage("is not protobuf: truncated field")
        if wire_type == _LENGTH_DELIMITED:
            yield number, data[start:position]


def _read_varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    try:
        while (byte := data[position]) & 0x80:
            value |= (byte & 0x7F) << shift
            shift += 7
            position += 1
            if shift > 63:
                raise BadMessage("is not protobuf: varint too long")
    except IndexError:
        raise BadMessage("is not protobuf: truncated varint") from None
    return value | byte << shift, position + 1


def _decode(block: bytes) -> str:
    try:
        return block.decode()
    except UnicodeDecodeError as error:
        raise BadMessage("is not protobuf: a string is not UTF-8") from error
