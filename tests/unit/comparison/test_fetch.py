"""Getting a page: whatever is in the way is named, and nothing waits for ever."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from meshregistry.comparison.fetch import PagePlace, fetch_page, page_url, shown_target
from meshregistry.comparison.page import PageError

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\n"


@asynccontextmanager
async def server(answer: bytes, *, hangs: bool = False) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Answer every connection with these bytes; yields the URL and the request heads."""
    heads: list[bytes] = []
    over = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        if hangs:
            await over.wait()
        writer.close()

    listening = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", heads
    finally:
        over.set()
        listening.close()


@pytest.mark.parametrize(
    ("target", "url"),
    [
        ("http://slime:8081", "http://slime:8081/meshregistry/xdsCache"),
        ("http://slime:8081/", "http://slime:8081/meshregistry/xdsCache"),
        ("http://slime:8888/xdsCache", "http://slime:8888/xdsCache"),
        ("http://slime:8081/meshregistry/xdsCache?ns=nacos", "http://slime:8081/meshregistry/xdsCache?ns=nacos"),
    ],
)
def test_a_target_without_a_path_means_the_modules_page(target: str, url: str) -> None:
    assert url == page_url(target)


def test_credentials_are_never_shown() -> None:
    assert "http://***@slime:8081" == shown_target("http://reader:secret@slime:8081")


async def test_the_whole_answer_is_returned_and_the_token_is_sent() -> None:
    async with server(OK + b"Content-Length: 2\r\n\r\n{}") as (url, heads):
        assert b"{}" == await fetch_page(PagePlace(url, token="secret"))
    assert b"GET /meshregistry/xdsCache " in heads[0]
    assert b"Authorization: Bearer secret" in heads[0]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404: no such page; Slime has it only once"),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n", "401: a token is needed"),
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "answered 503"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n", "answered 302"),
        (OK + b"X-Meshregistry-Complete: false\r\nContent-Length: 2\r\n\r\n{}", "has not read all its sources yet"),
        (OK + b"Content-Length: 100\r\n\r\n{}", "ContentLength"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabc", ""),
        (b"SSH-2.0-OpenSSH\r\n", ""),
        (OK + b"Content-Length: 2000\r\n\r\n" + b"x" * 2000, "longer than 1000 bytes"),
        (b"", ""),
    ],
)
async def test_what_is_no_whole_page_is_an_error_that_names_the_place(answer: bytes, message: str) -> None:
    async with server(answer) as (url, _):
        with pytest.raises(PageError) as caught:
            await fetch_page(PagePlace(url, max_bytes=1000))
    assert str(caught.value).startswith(f"{url}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize("answer", [b"", OK, OK + b"Content-Length: 100\r\n\r\n{}"])
async def test_a_server_that_hangs_is_not_waited_for(answer: bytes) -> None:
    async with server(answer, hangs=True) as (url, _):
        with pytest.raises(PageError, match=r"no complete answer within 0\.2 s"):
            await fetch_page(PagePlace(url, timeout_s=0.2))


async def test_nobody_who_listens_is_an_error() -> None:
    with pytest.raises(PageError, match=r"^http://127\.0\.0\.1:1: "):
        await fetch_page(PagePlace("http://127.0.0.1:1"))


async def test_a_saved_page_is_read(tmp_path: Path) -> None:
    path = tmp_path / "page.json"
    path.write_bytes(b"[]")

    assert b"[]" == await fetch_page(PagePlace(str(path)))


async def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    long = tmp_path / "long"
    long.write_bytes(b"x" * 11)
    for path in (tmp_path / "absent", tmp_path, pipe, long):
        with pytest.raises(PageError, match=str(path)):
            await fetch_page(PagePlace(str(path), max_bytes=10))
