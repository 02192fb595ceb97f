"""Documents in slices: however they are cut, they join to the document that one dump gives."""

import json
from collections.abc import Callable, Iterator

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from meshregistry.http.text import (
    PAUSE,
    json_array,
    json_arrays,
    json_documents,
    json_list,
    json_lists,
    json_members,
    json_object,
    json_objects,
    json_report,
    json_text,
    yaml_documents,
    yaml_list,
    yaml_lists,
    yaml_text,
)

texts = st.text(max_size=8)
items = st.dictionaries(texts, texts | st.integers(0, 1 << 40) | st.none() | st.lists(texts, max_size=2), max_size=3)
slices = st.lists(st.lists(items, min_size=1, max_size=3), max_size=3)
groups = st.dictionaries(st.sampled_from(["a/v1/A", "b/v1/B", "c/v1/C"]), slices)


def flat(cut: list[list[dict[str, object]]]) -> list[dict[str, object]]:
    return [item for part in cut for item in part]


def joined(parts: Iterator[bytes]) -> str:
    return b"".join(parts).decode()


@settings(max_examples=50)
@given(cut=slices)
def test_a_sliced_json_list_is_the_whole_list(cut: list[list[dict[str, object]]]) -> None:
    assert json.dumps(flat(cut), indent=2, ensure_ascii=False) == joined(json_list(cut))


@settings(max_examples=50)
@given(grouped=groups)
def test_sliced_json_lists_are_the_whole_object(grouped: dict[str, list[list[dict[str, object]]]]) -> None:
    expected = {key: flat(cut) for key, cut in grouped.items() if cut}
    assert json.dumps(expected, indent=2, ensure_ascii=False) == joined(json_lists(grouped.items()))


@given(members=st.dictionaries(texts, items, max_size=5), size=st.integers(1, 3))
def test_sliced_json_members_are_the_whole_object(members: dict[str, dict[str, object]], size: int) -> None:
    keys = list(members)
    cut = [{key: members[key] for key in keys[start : start + size]} for start in range(0, len(keys), size)]
    assert json.dumps(members, indent=2, ensure_ascii=False) == joined(json_members(cut))


def cut_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have parts end after some bytes, so that small documents have many."""
    monkeypatch.setattr("meshregistry.http.text.SLICE_BYTES", 10)


@pytest.mark.parametrize("size", [0, 1, 2, 50])
def test_bounded_documents_are_the_whole_ones(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_small(monkeypatch)
    members = {f"k{number}": {"a": [number, "\u4e3b\n"], "b": {}} for number in range(size)}
    listed = list(members.values())
    groups = {"first": members, "none": {}, "last": members}
    lists = {"first": listed, "none": [], "last": listed}

    for expected, parts in (
        (members, json_object(members.items())),
        (listed, json_array(listed)),
        (groups, json_objects((key, each.items()) for key, each in groups.items())),
        (lists, json_arrays(lists.items())),
        ({"total": size, "items": listed}, json_report({"total": size}, "items", listed)),
    ):
        told = list(parts)
        assert json.dumps(expected, indent=2, ensure_ascii=False) == joined(iter(told))
        assert size < 50 or len(told) > 25
    assert "{}" == joined(json_objects(())) == joined(json_arrays(()))


def test_pauses_are_empty_parts_and_no_members(monkeypatch: pytest.MonkeyPatch) -> None:
    cut_small(monkeypatch)

    assert [b"", b"", b'{\n  "a": 1\n}'] == list(json_object([PAUSE, ("a", 1), PAUSE]))
    assert [b"", b"", b"{}"] == list(json_object([PAUSE, PAUSE]))
    assert [b"", b"[\n  1,\n  2\n]"] == list(json_array([1, PAUSE, 2]))


def test_a_key_that_is_not_unicode_hides_nothing() -> None:
    assert '{\n  "?": 1\n}' == joined(json_object([("\ud800", 1)]))
    assert '{\n  "?": {\n    "?": 1\n  }\n}' == joined(json_objects([("\ud800", [("\ud800", 1)])]))


@settings(max_examples=50)
@given(cut=slices)
def test_a_sliced_yaml_list_is_the_whole_list(cut: list[list[dict[str, object]]]) -> None:
    assert flat(cut) == yaml.safe_load(joined(yaml_list(cut)))


@settings(max_examples=50)
@given(grouped=groups)
def test_sliced_yaml_lists_are_the_whole_mapping(grouped: dict[str, list[list[dict[str, object]]]]) -> None:
    expected = {key: flat(cut) for key, cut in grouped.items() if cut}
    assert expected == yaml.safe_load(joined(yaml_lists(grouped.items())))


def test_documents_are_each_followed_by_a_separator() -> None:
    assert '"a"\n---\n"b"\n---\n"c"\n---\n' == joined(json_documents([["a", "b"], ["c"]]))
    assert "a\n\n---\nb\n\n---\n" == joined(yaml_documents([["a", "b"]]))


def service(endpoints: int, name: str = "orders") -> dict[str, object]:
    """An item as pages have it, with so many endpoints and texts that are not simple."""
    labels = {"note": "a\nb: '主' 😀", "empty": "", "number": "7"}
    listed = [{"address": f"10.0.{n >> 8}.{n & 255}", "labels": labels, "ports": {}} for n in range(endpoints)]
    return {"name": name, "Spec": {"hosts": ("a", "b"), "endpoints": listed, "ports": []}, "Status": None}


@pytest.mark.parametrize("endpoints", [0, 1, 50, 51, 100, 151])
def test_a_long_list_of_an_item_comes_in_parts_that_join_to_the_whole(endpoints: int) -> None:
    listed = [service(endpoints), service(2), service(endpoints, "users")]
    members = {str(each["name"]): each for each in listed}
    as_json = [
        ([*listed, *listed], json_list([listed, listed])),
        ({"a": listed, "b": listed}, json_lists([("a", [listed]), ("b", [listed])])),
        (members, json_members([members])),
        (members, json_object(members.items())),
        (listed, json_array(listed)),
        ({"a": members}, json_objects([("a", members.items())])),
        ({"a": listed}, json_arrays([("a", listed)])),
        ({"total": 1, "items": listed}, json_report({"total": 1}, "items", listed)),
    ]

    for expected, parts in as_json:
        assert json.dumps(expected, indent=2, ensure_ascii=False) == joined(parts)
    assert yaml_text([*listed, *listed]).decode() == joined(yaml_list([listed, listed]))
    assert yaml_text({"a": listed}).decode() == joined(yaml_lists([("a", [listed])]))
    for write, parts in ((json_text, json_documents([listed])), (yaml_text, yaml_documents([listed]))):
        assert "".join(f"{write(each).decode()}\n---\n" for each in listed) == joined(parts)


def test_no_part_has_many_elements_of_a_long_list() -> None:
    sidecar = {"name": "app", "Spec": {"egress": [{"hosts": tuple(f"*/{number}.dubbo" for number in range(500))}]}}
    for item, most in ((service(1000), 15_000), (sidecar, 3000)):
        for parts in (
            json_list([[item]]),
            json_lists([("a", [[item]])]),
            json_members([{"a": item}]),
            yaml_list([[item]]),
            yaml_lists([("a", [[item]])]),
            yaml_documents([[item]]),
        ):
            sizes = [len(part) for part in parts]
            assert (True, True) == (max(sizes) <= most, len(sizes) > 10)


def test_yaml_keeps_long_and_chinese_texts_readable_and_repeats_no_alias() -> None:
    shared = {"主机": "订单 " * 40 + "end"}
    assert f"- 主机: {shared['主机']}\n" * 2 == yaml_text([shared, shared]).decode()


def test_texts_that_look_like_numbers_stay_texts_in_yaml() -> None:
    assert b"version: '1'\n" == yaml_text({"version": "1"})


@pytest.mark.parametrize(("text", "read"), [(json_text, json.loads), (yaml_text, yaml.safe_load)])
def test_lone_surrogates_become_question_marks(
    text: Callable[[object], bytes], read: Callable[[bytes], object]
) -> None:
    assert {"a?": ["?", "正常"]} == read(text({"a\ud800": ["\udfff", "正常"]}))


def test_records_are_written_as_objects() -> None:
    class Record(msgspec.Struct):
        name: str
        tags: tuple[str, ...]

    assert {"name": "a", "tags": ["\ud7ff"]} == json.loads(json_text(Record("a", ("\ud7ff",))))
    assert [{"name": "?", "tags": []}] == json.loads(json_text([Record("\ud800", ())]))
