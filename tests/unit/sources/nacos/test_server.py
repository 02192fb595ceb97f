"""Which scopes a registry has, and which error stands for many."""

import pytest

from meshregistry.errors import SourceAuthError, SourceDataError, SourceError, SourceUnavailable
from meshregistry.model.instance import Scope
from meshregistry.sources.nacos.options import NacosScope, NacosServerOptions
from meshregistry.sources.nacos.server import configured_scopes, worst


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


@pytest.mark.parametrize(
    ("errors", "kind", "text"),
    [
        ([], SourceUnavailable, "no address is configured"),
        ([SourceUnavailable("a"), SourceUnavailable("b")], SourceUnavailable, "a; b"),
        ([SourceUnavailable("a"), SourceDataError("b")], SourceDataError, "a; b"),
        ([SourceDataError("a"), SourceAuthError("b"), SourceUnavailable("c")], SourceAuthError, "a; b; c"),
    ],
)
def test_the_error_that_needs_a_human_soonest_stands_for_all(
    errors: list[SourceError], kind: type[SourceError], text: str
) -> None:
    error = worst(errors)

    assert (kind, text) == (type(error), str(error))
