"""Bytes count as seen only while they stand for what is published."""

from meshregistry.sources.nacos.memory import BulkPage, Known, Memory, Reading


def _known(item_digest: int, content_digest: int = 1) -> Known:
    return Known(item_digest, 0, content_digest, instances=1, bad=0, suspect=False)


def test_a_service_that_changes_there_and_back_is_not_taken_for_unchanged() -> None:
    memory = Memory()
    memory.put("orders", _known(item_digest=11))
    memory.put("orders", _known(item_digest=0, content_digest=2))

    assert {} == memory.by_item
    assert 2 == memory.known["orders"].content_digest


def test_services_that_left_are_forgotten() -> None:
    memory = Memory()
    memory.put("orders", _known(11))
    memory.put("users", _known(12))

    memory.keep_only(frozenset({"users", "new"}))

    assert ["users"] == list(memory.known)
    assert {12: "users"} == memory.by_item


def test_only_the_latest_pages_are_remembered_and_without_their_readings() -> None:
    memory = Memory()
    page = BulkPage(1, ("a",), 2, None, frozenset({7}), 0, {}, {"a": Reading(None)})

    memory.keep_pages({(1, 10): page, (2, 10): page._replace(foreign=frozenset({8}))})
    assert {7, 8} == memory.foreign
    memory.keep_pages({(1, 10): page})

    assert {(1, 10): page._replace(fresh={})} == memory.pages
    assert {7} == memory.foreign


def test_a_draft_changes_nothing_until_it_is_adopted() -> None:
    memory = Memory()
    memory.put("orders", _known(11))
    draft = memory.draft()
    draft.put("orders", _known(12))
    draft.put("users", _known(13))

    assert ({"orders"}, {11: "orders"}) == (set(memory.known), memory.by_item)
    memory.adopt(draft)
    assert ({"orders", "users"}, {12: "orders", 13: "users"}) == (set(memory.known), memory.by_item)
