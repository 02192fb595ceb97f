"""Ids and shown names."""

import msgspec
import pytest

from meshregistry.errors import SourceAuthError, SourceDataError, SourceError, SourceUnavailable
from meshregistry.sources.nacos.client import AccessDenied, NotOffered
from meshregistry.sources.nacos.namespaces import NamespaceNames, decode_namespaces

LISTED = {"public": "public", "8f2c": "dev", "dev2": "Second"}


def test_public_is_listed_as_the_empty_text_by_old_servers() -> None:
    rows = [
        {"namespace": "", "namespaceShowName": "public", "quota": 200, "type": 0},
        {"namespace": "8f2c", "namespaceShowName": "dev", "quota": 200, "type": 2},
        {"namespace": "bare", "namespaceShowName": None},
    ]
    body = msgspec.json.encode({"code": 200, "message": None, "data": rows})

    assert {"public": "public", "8f2c": "dev", "bare": ""} == decode_namespaces(body)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"data":null}', b'{"data":[{"namespace":5}]}'])
def test_anything_else_is_no_list(body: bytes) -> None:
    with pytest.raises(SourceDataError):
        decode_namespaces(body)


def test_shown_names_become_ids_and_unknown_names_stay_what_they_are() -> None:
    names = NamespaceNames()
    names.learn(frozenset({"dev", "dev2", "nowhere"}), LISTED)

    assert ["8f2c", "dev2", "nowhere", "public"] == [names.id_of(each) for each in ("dev", "dev2", "nowhere", "public")]
    assert [True, True, False] == [names.knows(each) for each in ("dev", "dev2", "nowhere")]


def test_a_translation_is_kept_and_a_namespace_that_comes_later_is_found() -> None:
    names = NamespaceNames()
    names.learn(frozenset({"dev", "late"}), LISTED)
    names.learn(frozenset({"dev", "late"}), {"1111": "late"})

    assert ("8f2c", "1111") == (names.id_of("dev"), names.id_of("late"))


def test_ids_are_known_by_whatever_name_they_were_found() -> None:
    names = NamespaceNames()
    names.learn(frozenset({"dev", "dev2", "nowhere"}), LISTED)

    assert [True, True, False, False, True] == [
        names.knows_id(each) for each in ("8f2c", "dev2", "dev", "nowhere", "public")
    ]


@pytest.mark.parametrize(
    ("refusal", "kind"), [(AccessDenied("403"), SourceAuthError), (NotOffered("404"), SourceUnavailable)]
)
def test_without_a_list_an_unknown_id_may_be_a_shown_name(refusal: SourceError, kind: type[SourceError]) -> None:
    names = NamespaceNames()
    names.learn(frozenset({"dev"}), LISTED)
    names.refused = refusal

    error = names.error_if_empty("other")
    assert kind is type(error)
    assert str(error).startswith("'other' reads empty")
    assert str(error).endswith(str(refusal))
    sure = ("8f2c", "public", "3f9f0c8e-6d0f-4e0e-9a3e-0c6f5b1d2a47")
    assert [None] * 3 == [names.error_if_empty(each) for each in sure]


def test_with_a_list_what_is_not_on_it_is_an_id() -> None:
    names = NamespaceNames()
    names.learn(frozenset({"nowhere"}), LISTED)

    assert None is names.error_if_empty("nowhere")
