"""Part of a saved snapshot as records: some resources with all that belongs to them."""

from collections.abc import Sequence

import msgspec

from meshregistry.model.claim import Claim
from meshregistry.model.instance import Scope
from meshregistry.store.guard import History
from meshregistry.store.hearsay import Hearsay
from meshregistry.store.holds import HeldShrink
from meshregistry.wire.resource import Resource


class Part(msgspec.Struct, frozen=True):
    """One part as records. A claim comes with its place among those of its service, a history with its owner."""

    resources: Sequence[Resource]
    claims: Sequence[tuple[int, Claim]]
    histories: Sequence[tuple[str, Scope, History]]
    """Resource name, owner, history."""

    hold: HeldShrink | None = None
    """With nothing but its claims beside it."""

    sidecars: Sequence[Resource] = ()
    hearsay: Hearsay | None = None
    decisions: Sequence[bytes] = ()
