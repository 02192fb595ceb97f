"""What the scopes of registries are called, and which parts must be read."""

import pytest

from meshregistry.model.instance import Scope
from meshregistry.sources.nacos.options import NacosScope, NacosServerOptions
from meshregistry.sources.nacos.registry import configured_registries

A, B = "http://a:8848", "https://user:pw@b:8848/x?y"


def _names(*servers: tuple[str, str]) -> list[tuple[str, str]]:
    """Return name and id of the scopes of registries with an id and an address each."""
    options = tuple(NacosServerOptions(registry_id=id_, addresses=(address,)) for id_, address in servers)
    scopes = [registry.whole for registry in configured_registries(options)]
    return [(scope.registry, scope.registry_id) for scope in scopes]


def test_scopes_have_nacos_own_names_and_occur_once() -> None:
    server = NacosServerOptions(
        registry_id="east",
        addresses=(A,),
        scopes=(NacosScope(), NacosScope("public", "DEFAULT_GROUP"), NacosScope("team-a", "G2")),
    )
    (registry,) = configured_registries((server,))

    assert (
        Scope("nacos", "east", "public", "DEFAULT_GROUP"),
        Scope("nacos", "east", "team-a", "G2"),
    ) == registry.scopes()
    assert registry.scopes() == registry.parts()


def test_all_namespaces_of_a_registry_are_one_part() -> None:
    (registry,) = configured_registries((NacosServerOptions(addresses=(A,), all_namespaces=True),))

    assert ((), (Scope("nacos", "", "*", "*"),)) == (registry.scopes(), registry.parts())


@pytest.mark.parametrize("id_", ["", "east", "a@b"])
def test_an_id_that_nobody_shares_is_the_whole_name(id_: str) -> None:
    assert [(id_, id_), ("other", "other")] == _names((id_, A), ("other", A))


@pytest.mark.parametrize("id_", ["", "east", "a@b"])
def test_registries_that_share_an_id_are_told_apart_by_their_address(id_: str) -> None:
    names = [(f"{id_}@http://a:8848", id_), (f"{id_}@https://b:8848/x", id_), ("other", "other")]

    assert names == _names((id_, A), (id_, B), ("other", A))


def test_registries_that_share_even_the_address_have_a_number() -> None:
    assert [("@http://a:8848", ""), ("@http://a:8848#1", ""), ("@http://a:8848#2", "")] == _names(*[("", A)] * 3)
