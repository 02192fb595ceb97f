"""Which scopes a registry has."""

from meshregistry.model.instance import Scope
from meshregistry.sources.nacos.options import NacosScope, NacosServerOptions
from meshregistry.sources.nacos.server import configured_scopes


def test_scopes_have_nacos_own_names_and_occur_once() -> None:
    server = NacosServerOptions(
        registry_id="east",
        addresses=("http://nacos:8848",),
        scopes=(NacosScope(), NacosScope("public", "DEFAULT_GROUP"), NacosScope("team-a", "G2")),
    )

    assert (
        Scope("nacos", "east", "public", "DEFAULT_GROUP"),
        Scope("nacos", "east", "team-a", "G2"),
    ) == configured_scopes(server)
