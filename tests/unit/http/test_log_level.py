"""The log level at run time: Slime's three paths, and a door that is closed without a token."""

import logging
from collections.abc import Iterator

import pytest

from meshregistry.http.log_level import parse_level
from meshregistry.http.server import HttpOptions
from meshregistry.telemetry.logs import LogGroup, configure_logs, read_level, set_level
from tests.support.http_pages import serving, store_of, views_of

pytestmark = pytest.mark.anyio

TOKEN = {"Authorization": "Bearer secret"}
GUARDED = HttpOptions(aux_addr="127.0.0.1:0", token="secret")


@pytest.fixture(autouse=True)
def levels() -> Iterator[None]:
    """Put every level back."""
    before = {group: read_level(group) for group in LogGroup}
    yield
    for group, level in before.items():
        set_level(group, level)


@pytest.mark.parametrize("path", ["/log/slime", "/log/k", "/log/ilog"])
async def test_the_level_is_read_and_changed_with_the_token(path: str, caplog: pytest.LogCaptureFixture) -> None:
    async with serving(views_of(store_of()), GUARDED) as client:
        async with client.put(path, params={"level": "error"}, headers=TOKEN) as answer:
            assert (200, "error\n") == (answer.status, await answer.text())
        async with client.put(path, params={"level": "debug"}, headers=TOKEN) as answer:
            assert (200, "debug\n") == (answer.status, await answer.text())
        async with client.get(path, headers=TOKEN) as answer:
            assert (200, "debug\n") == (answer.status, await answer.text())
    assert any("log.level_changed" in record.getMessage() for record in caplog.records)


async def test_the_two_groups_do_not_touch_each_other() -> None:
    set_level(LogGroup.OWN, "info")
    set_level(LogGroup.LIBRARIES, "warning")
    async with serving(views_of(store_of()), GUARDED) as client:
        async with client.put("/log/k", params={"level": "7"}, headers=TOKEN):
            pass
        async with client.put("/log/slime", params={"level": "error"}, headers=TOKEN):
            pass

    assert ("error", "debug") == (read_level(LogGroup.OWN), read_level(LogGroup.LIBRARIES))
    assert logging.DEBUG == logging.getLogger("grpclib").level


async def test_nothing_can_be_changed_where_no_token_is_demanded() -> None:
    set_level(LogGroup.OWN, "info")
    async with serving(views_of(store_of())) as client, client.put("/log/slime?level=error") as answer:
        assert (403, True) == (answer.status, "http.token" in await answer.text())
    assert "info" == read_level(LogGroup.OWN)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer other"}])
async def test_a_wrong_token_changes_nothing(headers: dict[str, str]) -> None:
    set_level(LogGroup.OWN, "info")
    async with (
        serving(views_of(store_of()), GUARDED) as client,
        client.put("/log/slime?level=error", headers=headers) as answer,
    ):
        assert 401 == answer.status
    assert "info" == read_level(LogGroup.OWN)


@pytest.mark.parametrize("level", ["", "loud", "999", "٣", "critical", "notset", "info\r\nx"])
async def test_a_level_that_is_none_is_refused_and_changes_nothing(level: str) -> None:
    set_level(LogGroup.OWN, "warning")
    async with (
        serving(views_of(store_of()), GUARDED) as client,
        client.put("/log/slime", params={"level": level}, headers=TOKEN) as answer,
    ):
        assert 400 == answer.status
    assert "warning" == read_level(LogGroup.OWN)


@pytest.mark.parametrize(
    ("text", "level"),
    [("trace", "debug"), ("WARN", "warning"), ("panic", "error"), ("fatal", "error"), ("0", "info"), ("5", "debug")],
)
def test_slimes_words_and_kubernetes_numbers_are_understood(text: str, level: str) -> None:
    assert level == parse_level(text)


def test_no_level_makes_the_watcher_of_files_speak_of_the_log_itself() -> None:
    root, watcher = logging.getLogger(), logging.getLogger("watchfiles.main")
    handlers = root.handlers[:]
    try:
        configure_logs(level="debug", as_json=False)
        for group in LogGroup:
            set_level(group, "debug")
        assert not watcher.isEnabledFor(logging.INFO)
    finally:
        root.handlers[:] = handlers
