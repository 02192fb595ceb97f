"""Whole readings of servers whose every answer may be anything: each ends well, or by an error of its source."""

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import cycle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshregistry.errors import SourceError, SourceUnavailable
from meshregistry.sources.nacos.client import AccessDenied, Endpoint, NacosClient, NotOffered
from meshregistry.sources.nacos.options import NacosOptions, NacosScope, NacosServerOptions
from meshregistry.sources.nacos.registry import configured_registries
from meshregistry.sources.nacos.server import NacosServer
from meshregistry.sources.readiness import Readiness
from meshregistry.telemetry.metrics import Metrics
from tests.support.source_fakes import ManualClock, RecordingSink

pytestmark = pytest.mark.anyio

texts = st.sampled_from(["", "public", "DEFAULT_GROUP", "a", "b@@c", "@@", "x" * 300, "\n", "2.3.1", "3.0", "²", "UP"])
numbers = st.integers(-3, 5) | st.sampled_from([0.5, 1 << 40, -1e300])
counts = st.integers(-2, 4)
hosts = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("ip", "port", "weight"), texts | numbers),
        **dict.fromkeys(("healthy", "enabled", "valid"), st.booleans() | numbers),
        "clusterName": texts | st.none(),
        "metadata": st.dictionaries(texts, texts | numbers | st.none(), max_size=2) | st.none() | texts,
    },
)
clusters = st.dictionaries(
    texts, st.fixed_dictionaries({}, optional={"hosts": st.lists(hosts, max_size=2)}), max_size=2
)
services = st.lists(
    st.fixed_dictionaries(
        {}, optional={"serviceName": texts, "groupName": texts, "name": texts, "clusterMap": clusters}
    ),
    max_size=3,
)
spaces = st.fixed_dictionaries({"namespace": texts}, optional={"namespaceShowName": texts | st.none()})
ANSWERS: dict[str, st.SearchStrategy[object]] = {
    "/v3/admin/core/state": st.fixed_dictionaries({"data": st.fixed_dictionaries({"version": texts})}),
    "/v1/console/server/state": st.fixed_dictionaries({"version": texts}),
    "/v1/ns/operator/metrics": st.fixed_dictionaries({"status": texts}),
    "/v3/admin/core/namespace/list": st.fixed_dictionaries({"data": st.lists(spaces, max_size=3)}),
    "/v1/console/namespaces": st.fixed_dictionaries({"data": st.lists(spaces, max_size=3)}),
    "/v1/ns/catalog/services": services | st.fixed_dictionaries({"count": counts, "serviceList": services}),
    "/v3/admin/ns/service/list": st.fixed_dictionaries(
        {"code": numbers, "data": st.fixed_dictionaries({"totalCount": counts, "pageItems": services})}
    ),
    "/v1/ns/service/list": st.fixed_dictionaries({"count": counts, "doms": st.lists(texts, max_size=3)}),
    "/v3/client/ns/instance/list": st.fixed_dictionaries({"code": numbers, "data": st.lists(hosts, max_size=3)}),
    "/v1/ns/instance/list": st.fixed_dictionaries({"hosts": st.lists(hosts, max_size=3) | st.none()}),
}


class HostileClient(NacosClient):
    """Answers each path in turn with what is given, refusals among it."""

    answers: Mapping[str, Iterator[object]]

    async def get(
        self,
        endpoint: Endpoint,
        path: str,
        params: Mapping[str, str],
        headers: Mapping[str, str],
        signature: Mapping[str, str] | None = None,
    ) -> bytes:
        answer = next(self.answers[path])
        if isinstance(answer, SourceError):
            raise answer
        return answer if isinstance(answer, bytes) else json.dumps(answer).encode()


refusals = st.sampled_from([NotOffered("404"), AccessDenied("403"), SourceUnavailable("503"), b"<html>"])
turns = st.fixed_dictionaries(
    {path: st.lists(answer | refusals, min_size=1, max_size=4) for path, answer in ANSWERS.items()}
)


@settings(max_examples=50)
@given(answers=turns, is_all=st.booleans())
async def test_whatever_a_server_answers_a_reading_ends_well_or_by_an_error_of_its_source(
    answers: Mapping[str, list[object]], is_all: bool
) -> None:
    scopes = () if is_all else (NacosScope(), NacosScope("dev", "a"))
    own = NacosServerOptions(addresses=("http://a:8848", "http://b:8848"), all_namespaces=is_all, scopes=scopes)
    options, metrics, clock = NacosOptions(servers=(own,), settle_s=0.0), Metrics(), ManualClock()
    (registry,) = configured_registries(options.servers)
    client = HostileClient(options, metrics)
    client.answers = {path: cycle(each) for path, each in answers.items()}
    server = NacosServer(registry, options, client, metrics, clock.clock)
    readiness = Readiness("nacos", frozenset(registry.parts()), metrics, clock.clock)

    for _ in range(3):
        with suppress(SourceError):
            await server.poll(RecordingSink(), readiness)
        assert all(instance.address for _, instances in server.known() for instance in instances)
        assert 50_000 > len(json.dumps(server.describe()))
