"""Which services a pattern finds."""

import pytest

from meshregistry.sim.nacos.fuzzy import matches
from meshregistry.sim.nacos.state import ServiceKey


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("public>>*>>*", True),
        ("public>>DEFAULT_GROUP>>orders", True),
        ("public>>DEFAULT*>>*ers", True),
        ("public>>*GROUP>>*rde*", True),
        ("public>>*>>order", False),
        ("public>>G>>*", False),
        ("public>>*>>users*", False),
        ("team-a>>*>>*", False),
        ("*>>*>>*", False),
        ("public>>*>>or*rs", False),
    ],
)
def test_a_pattern_finds_by_its_ends_and_its_middle(pattern: str, *, found: bool) -> None:
    assert found == matches(pattern, ServiceKey("orders"))
