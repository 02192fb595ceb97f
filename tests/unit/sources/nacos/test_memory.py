"""Bytes count as seen only while they stand for what is published."""

from meshregistry.sources.nacos.memory import Known, Memory


def _known(item_digest: int, content_digest: int = 1) -> Known:
    return Known(item_digest, 0, content_digest, instances=(), bad=0, suspect=False)


def test_a_service_that_changes_there_and_back_is_not_taken_for_unchanged() -> None:
    memory = Memory()
    memory.put("orders", _known(item_digest=11))
    assert memory.has_item("orders", 11)
    memory.put("orders", _known(item_digest=0, content_digest=2))

    assert not memory.has_item("orders", 11)
    assert 2 == memory.known["orders"].content_digest


def test_services_that_left_are_forgotten() -> None:
    memory = Memory()
    memory.put("orders", _known(11))
    memory.put("users", _known(12))

    memory.keep_only(frozenset({"users", "new"}))

    assert ["users"] == list(memory.known)
    assert not memory.has_item("orders", 11)


def test_a_draft_changes_nothing_until_it_is_adopted() -> None:
    memory = Memory()
    memory.put("orders", _known(11))
    draft = memory.draft()
    draft.put("orders", _known(12))
    draft.put("users", _known(13))

    assert {"orders": _known(11)} == memory.known
    memory.adopt(draft)
    assert {"orders": _known(12), "users": _known(13)} == memory.known
