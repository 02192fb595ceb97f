"""Fixtures shared by all tests: every async test runs on asyncio and on uvloop."""

import pytest


@pytest.fixture(
    params=[
        pytest.param(("asyncio", {"use_uvloop": False}), id="asyncio"),
        pytest.param(("asyncio", {"use_uvloop": True}), id="uvloop"),
    ]
)
def anyio_backend(request: pytest.FixtureRequest) -> object:
    """Run each async test on the plain loop and on uvloop."""
    return request.param
