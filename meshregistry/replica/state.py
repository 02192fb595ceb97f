"""A saved snapshot in pieces that fit into delta responses, and its assembly. Pure."""

import math
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
import xxhash

HEAD: Final = "head"
PIECE_BYTES: Final = 256 * 1024
_MAX_PIECES: Final = 4096
"""1 GiB of our own pieces."""


class TooLarge(ValueError):
    """More than is taken of a sibling; the message names the limit."""


class Head(msgspec.Struct, frozen=True):
    """What the pieces make together."""

    pieces: int
    digest: str
    as_of: float
    """Unix seconds until which the sibling had heard its registries."""


def cut_state(data: bytes, as_of: float) -> dict[str, bytes]:
    """Return name → piece, the head included."""
    starts = range(0, len(data), PIECE_BYTES)
    pieces = {_name(number): data[start : start + PIECE_BYTES] for number, start in enumerate(starts)}
    head = Head(len(pieces), xxhash.xxh3_128_hexdigest(data), as_of)
    return {HEAD: msgspec.msgpack.encode(head), **pieces}


class Assembly:
    """Collects the pieces of one state, in any order, replaced ones included; owned by who receives them."""

    def __init__(self, max_bytes: int) -> None:
        self._pieces: dict[str, bytes] = {}
        self._max_bytes = max_bytes
        self._size = 0

    def add(self, pieces: Mapping[str, bytes], removed: Iterable[str] = ()) -> None:
        """Take the pieces of one response. Raises TooLarge when there are more than are taken of any state."""
        for name, piece in pieces.items():
            self._drop(name)
            self._pieces[name] = piece
            self._size += len(name) + len(piece)
        for name in removed:
            self._drop(name)
        if len(self._pieces) > _MAX_PIECES:
            raise TooLarge(f"more than {_MAX_PIECES} pieces")
        if self._size > self._max_bytes:
            raise TooLarge(f"a state of more than {self._max_bytes} bytes (replicas.max_state_bytes)")

    def _drop(self, name: str) -> None:
        piece = self._pieces.pop(name, None)
        self._size -= len(name) + len(piece) if piece is not None else 0

    @property
    def head(self) -> Head | None:
        """The head, once it is there. Raises ValueError when it is none."""
        data = self._pieces.get(HEAD)
        if data is None:
            return None
        try:
            head = msgspec.msgpack.decode(data, type=Head)
        except RecursionError as error:
            raise ValueError("a head that is nested too deeply") from error
        if not math.isfinite(head.as_of):
            raise ValueError("a state of no time")
        return head

    def join(self) -> bytes | None:
        """Return the state once all of it is there; None before. Raises ValueError for an unreadable head."""
        head = self.head
        if head is None or len(self._pieces) <= head.pieces:
            return None
        pieces = [self._pieces.get(_name(number)) for number in range(head.pieces)]
        data = b"".join(piece for piece in pieces if piece is not None)
        return data if xxhash.xxh3_128_hexdigest(data) == head.digest else None


def _name(number: int) -> str:
    return f"piece-{number:06d}"
