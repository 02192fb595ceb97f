"""When what was saved by some settings is what would be served by others."""

from datetime import UTC, datetime

import msgspec
import pytest

from meshregistry.model.dubbo_policy import DubboPolicy
from meshregistry.model.merge_policy import MergePolicy, MergeRule, Sharing
from meshregistry.model.policy import ConversionPolicy, Profile, Territory
from meshregistry.store.fingerprint import fingerprint_conversion

CREATED = datetime(2100, 1, 1, tzinfo=UTC)
POLICY = ConversionPolicy(svc_port=0, merging=MergePolicy(rules=(MergeRule(("*.a",), Sharing.PREFER),)))


class LaterPolicy(ConversionPolicy, frozen=True):
    """That of a release with one more setting."""

    novelty: bool = False


def later(*, novelty: bool) -> LaterPolicy:
    own = {field: getattr(POLICY, field) for field in POLICY.__struct_fields__}
    return LaterPolicy(**own, novelty=novelty)


def test_a_setting_that_a_release_adds_counts_only_where_it_is_used() -> None:
    before = fingerprint_conversion(POLICY, CREATED)

    assert before == fingerprint_conversion(later(novelty=False), CREATED)
    assert before != fingerprint_conversion(later(novelty=True), CREATED)


@pytest.mark.parametrize(
    "change",
    [
        {"profile": Profile.SLIME},
        {"svc_port": 80},
        {"dubbo": DubboPolicy()},
        {"territory": Territory()},
        {"territory": Territory(namespaces=("shop",))},
        {"merging": MergePolicy(rules=(MergeRule(("*.b",), Sharing.PREFER),))},
        {"merging": MergePolicy()},
    ],
)
def test_every_other_setting_makes_another_fingerprint(change: dict[str, object]) -> None:
    changed = msgspec.structs.replace(POLICY, **change)

    assert fingerprint_conversion(POLICY, CREATED) != fingerprint_conversion(changed, CREATED)


def test_the_creation_time_of_all_resources_counts() -> None:
    other = CREATED.replace(year=2101)

    assert fingerprint_conversion(POLICY, CREATED) != fingerprint_conversion(POLICY, other)


def test_the_fingerprint_stays_what_it_was_in_every_process() -> None:
    assert "6a3e62172689ce959a7c2d332fc167ca" == fingerprint_conversion(POLICY, CREATED)
