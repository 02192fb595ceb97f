"""Slime's page and ours, in every JSON shape; what is no page is refused with a reason."""

from contextlib import suppress

import orjson
import pytest
from hypothesis import given

from meshregistry.comparison.difference import compare
from meshregistry.comparison.page import PageError, read_page
from tests.support.garbage import bodies, spoilt
from tests.support.slime_page import slime_item, slime_page

SPEC = {"hosts": ["a.example"], "endpoints": [{"address": "10.0.0.1", "ports": {"http-80": 8080}}]}


def test_slimes_page_is_read_by_type() -> None:
    page = read_page(slime_page(slime_item("a.nacos", SPEC), slime_item("app", {"egress": []}, kind="Sidecar")), "x")

    assert ["a.nacos"] == [each.meta.name for each in page.entries]
    assert [("a.example",)] == [each.entry.hosts for each in page.entries]
    assert {"nacos/app": {"egress": []}} == page.sidecars


def test_what_protobuf_leaves_out_is_its_default() -> None:
    (resource,) = read_page(slime_page(slime_item("a.nacos", SPEC)), "x").entries

    assert ("MESH_EXTERNAL", "NONE", 0) == (
        resource.entry.location,
        resource.entry.resolution,
        resource.entry.endpoints[0].weight,
    )


def test_a_list_and_kubernetes_objects_are_read_alike() -> None:
    item = {
        "kind": "ServiceEntry",
        "apiVersion": "networking.istio.io/v1",
        "metadata": {"name": "a.nacos"},
        "spec": SPEC,
    }

    assert [("a.example",)] == [each.entry.hosts for each in read_page(orjson.dumps([item]), "x").entries]


def test_tombstones_are_nothing() -> None:
    assert () == read_page(slime_page(slime_item("gone", None)), "x").entries


@pytest.mark.parametrize("body", [b"{}", b"[]", b' \n{"networking.istio.io/v1alpha3/Sidecar": null}'])
def test_an_empty_page_is_a_page(body: bytes) -> None:
    assert () == read_page(body, "x").entries


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"not found",
        b"null",
        b'{"a": {"b": 1}}',
        b'{"a": [{"type": "v1/Pod", "name": "p", "Spec": {}}]}',
        b'[{"type": "x/ServiceEntry", "Spec": {}}]',
        b'[{"type": "x/ServiceEntry", "name": "a", "Spec": {"hosts": "a"}}]',
        b'[{"type": "x/ServiceEntry", "name": "a", "Spec": {"endpoints": [null]}}]',
        b'[{"type": "x/ServiceEntry", "name": "\xff", "Spec": {}}]',
        slime_page(slime_item("a.nacos", SPEC))[:-30],
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"\xff\xfe\x00",
    ],
)
def test_anything_else_is_refused_by_the_name_of_its_place(body: bytes) -> None:
    with pytest.raises(PageError, match=r"^http://slime: not an xdsCache page"):
        read_page(body, "http://slime")


GOOD = slime_page(slime_item("a.nacos", SPEC), slime_item("app", {"egress": []}, kind="Sidecar"))
KEYS = (
    "type",
    "kind",
    "name",
    "namespace",
    "metadata",
    "Spec",
    "spec",
    "hosts",
    "ports",
    "number",
    "endpoints",
    "labels",
)


@given(bodies(*KEYS) | spoilt(GOOD))
def test_whatever_another_server_answers_is_a_page_that_can_be_compared_or_is_refused(body: bytes) -> None:
    with suppress(PageError):
        page = read_page(body, "http://slime")
        compare(page, read_page(GOOD, "ours"))
