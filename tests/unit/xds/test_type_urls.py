"""Which kind a type URL is served with."""

import pytest

from meshregistry.model.service_entry import ISTIO_KINDS, Kind
from meshregistry.watch.families import FAMILIES
from meshregistry.xds.type_urls import MESH_CONFIG, Answer, accepts_version_stubs, served_kind, unserved_answer

ODD = ["", "foo", "a/b", "a/b/c/d", "networking.istio.io/v2/ServiceEntry", "networking.istio.io/v1/serviceentry"]


@pytest.mark.parametrize("version", ["v1alpha3", "v1beta1", "v1"])
@pytest.mark.parametrize("kind", ISTIO_KINDS)
def test_every_api_version_of_a_kind_is_served(version: str, kind: Kind) -> None:
    """S2 I3: the same resources under each name."""
    assert kind is served_kind(f"networking.istio.io/{version}/{kind}")


@pytest.mark.parametrize("url", ODD)
def test_odd_urls_are_answered_with_nothing(url: str) -> None:
    """M1: never an error."""
    assert (None, Answer.EMPTY) == (served_kind(url), unserved_answer(url))


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_types_of_every_istiod_are_answered_but_mesh_config(family: object) -> None:
    """S3 S5: readiness waits for each of the types but MeshConfig."""
    urls = family.types  # type: ignore[attr-defined]
    silent = [url for url in urls if served_kind(url) is None and unserved_answer(url) is Answer.SILENCE]
    assert [MESH_CONFIG] == silent
    assert {Kind.SERVICE_ENTRY, Kind.SIDECAR} == {kind for url in urls if (kind := served_kind(url))}


def test_stubs_are_for_one_url_and_generator() -> None:
    """istiod from 1.24 on; up to 1.23 it asks for v1alpha3."""
    assert accepts_version_stubs("networking.istio.io/v1/ServiceEntry", "api")
    assert not accepts_version_stubs("networking.istio.io/v1alpha3/ServiceEntry", "api")
    assert not accepts_version_stubs("networking.istio.io/v1/Sidecar", "api")
    assert not accepts_version_stubs("networking.istio.io/v1/ServiceEntry", "")
