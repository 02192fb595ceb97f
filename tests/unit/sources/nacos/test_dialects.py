"""What a server speaks is found by asking it."""

import re
from collections.abc import Mapping

import pytest

from meshregistry.errors import SourceDataError, SourceError, SourceUnavailable
from meshregistry.sources.nacos.client import AccessDenied, NotOffered
from meshregistry.sources.nacos.dialects import Dialect, Fetch, dialect_v1, dialect_v3, probe
from tests.unit.sources.nacos.bodies import captured

pytestmark = pytest.mark.anyio

STATE_V3, STATE_V1, METRICS = "/v3/admin/core/state", "/v1/console/server/state", "/v1/ns/operator/metrics"
HTML = b"<html><body>welcome</body></html>"


def _fetch(answers: Mapping[str, bytes | SourceError]) -> Fetch:
    async def fetch(path: str, _params: Mapping[str, str]) -> bytes:
        answer = answers.get(path, NotOffered("404"))
        if isinstance(answer, SourceError):
            raise answer
        return answer

    return fetch


def _summary(dialect: Dialect) -> tuple[str, str, str | None]:
    return dialect.name, dialect.version, dialect.bulk_path


async def test_a_3_x_server_speaks_v3() -> None:
    dialect = await probe(_fetch({STATE_V3: captured("state-3.1.0.json")}))

    assert ("v3", "3.1.0-bugfix", "/v3/admin/ns/service/list") == _summary(dialect)
    assert ("/v3/auth/user/login", "/v1/auth/users/login") == dialect.login_paths


async def test_a_2_x_server_speaks_v1() -> None:
    dialect = await probe(_fetch({STATE_V1: captured("state-2.3.1.json"), METRICS: b'{"status":"UP"}'}))

    assert ("v1", "2.3.1", "/v1/ns/catalog/services") == _summary(dialect)
    assert ("/v1/auth/users/login", "/v1/auth/login") == dialect.login_paths


@pytest.mark.parametrize("refusal", [NotOffered("501"), AccessDenied("403"), HTML])
async def test_a_server_that_hides_its_version_speaks_v1_without_bulk(refusal: bytes | SourceError) -> None:
    dialect = await probe(_fetch({STATE_V3: refusal, STATE_V1: refusal, METRICS: b'{"status":"UP"}'}))

    assert ("v1", "", None) == _summary(dialect)


@pytest.mark.parametrize("version", ["1.4.8", "", "unknown", "v2", "²", "٣.0", "9" * 5000])
def test_no_bulk_where_pages_may_be_counted_from_0_but_the_catalogue_for_the_groups(version: str) -> None:
    dialect = dialect_v1(version)

    assert (None, "/v1/ns/catalog/services") == (dialect.bulk_path, dialect.catalogue_path)


@pytest.mark.parametrize("dialect", [dialect_v1("2.3.1"), dialect_v3("3.1.0")], ids=["2.x", "3.x"])
def test_no_other_catalogue_where_the_bulk_listing_tells_the_groups(dialect: Dialect) -> None:
    assert None is dialect.catalogue_path
    assert None is not dialect.bulk_path


async def test_a_server_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(SourceUnavailable, match="refused"):
        await probe(_fetch({STATE_V3: SourceUnavailable("refused")}))


async def test_a_server_that_is_not_up_is_unavailable() -> None:
    with pytest.raises(SourceUnavailable, match="the server says it is DOWN"):
        await probe(_fetch({METRICS: b'{"status":"DOWN"}'}))


@pytest.mark.parametrize("path", [STATE_V3, STATE_V1])
async def test_of_a_version_without_end_only_the_beginning_is_kept(path: str) -> None:
    body = captured("state-3.1.0.json" if path == STATE_V3 else "state-2.3.1.json")
    endless = b'"version":"2\\u001b' + b"0" * 100_000
    dialect = await probe(_fetch({path: re.sub(rb'"version":"[^"]*', lambda _: endless, body)}))

    assert (200, "2\\x1b000") == (len(dialect.version), dialect.version[:8])


async def test_of_a_state_without_end_only_the_beginning_is_told() -> None:
    with pytest.raises(SourceUnavailable) as refused:
        await probe(_fetch({METRICS: b'{"status":"DOWN' + b"N" * 100_000 + b'"}'}))

    assert 300 > len(str(refused.value))


async def test_what_is_not_nacos_is_an_error() -> None:
    with pytest.raises(SourceDataError):
        await probe(_fetch({STATE_V3: HTML, STATE_V1: HTML, METRICS: HTML}))
