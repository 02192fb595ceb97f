"""When the progress of holds is worth saving: a registry that repeats a shrink changes nothing else."""

from collections.abc import Collection
from typing import Final

from meshregistry.model.instance import Scope

_SHARE: Final = 0.1
"""How exactly the time for which a shrink has been confirmed is saved, as a share of the time that it takes."""


class Progress:
    """Owner of when it was counted last; told by `store/mass.py` of every statement about a hold."""

    def __init__(self) -> None:
        self.revision = 0
        """A number that grows while holds are confirmed."""

        self._counted_at = float("-inf")

    def note(self, stated: Collection[Scope], now: float, hold_s: float) -> None:
        """Take note that a registry has repeated what is held of these scopes, each for `hold_s` before it goes."""
        if stated and now >= self._counted_at + _SHARE * hold_s:
            self._counted_at = now
            self.revision += 1
