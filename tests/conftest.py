"""Fixtures shared by all tests: every async test runs on asyncio and on uvloop."""

import pytest

pytest_plugins = [
    "tests.integration.fixtures_nacos",
    "tests.integration.fixtures_zookeeper",
    "tests.integration.fixtures_eureka",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Real registries are part of the suite; leaving them out must be said."""
    parser.addoption("--no-real", action="store_true", help="skip the tests that need a real registry")


@pytest.fixture(
    params=[
        pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
        pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
    ]
)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Run each async test on the plain loop and on uvloop."""
    return request.param
