"""One live gRPC connection to a node: handshake, heartbeat, requests with credentials."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from meshregistry.errors import SourceDataError, SourceError, SourceUnavailable
from meshregistry.sources.decoding import fingerprint
from meshregistry.sources.nacos import messages
from meshregistry.sources.nacos.channel import NacosChannel, NacosStream
from meshregistry.sources.nacos.client import Endpoint
from meshregistry.sources.nacos.credentials import Credentials
from meshregistry.sources.nacos.messages import ConnectionLost, Content, RequestDenied, ServiceName, ServiceReply
from meshregistry.sources.nacos.paging import NamesPage, read_pages
from meshregistry.sources.nacos.payload import Payload
from meshregistry.sources.nacos.protocol import News, Reset, Session, State
from meshregistry.sources.polling import Clock
from meshregistry.sources.slicing import Slicer

HEARTBEAT_S = 5.0
"""Without a word for so long, the server is asked; it asks us after 20 s itself."""

_HEARTBEAT_TRIES = 3
_ABILITIES_TIMEOUT_S = 5.0
_REGISTRATION_S = 0.1
"""Servers before 2.3 take this long to know a connection, and do not say when they do."""


class _Names(NamedTuple):
    """The names of a group as last listed; equal pages are not decoded again."""

    pages: tuple[NamesPage, ...] = ()
    all: frozenset[str] = frozenset()


class LiveSession:
    """A connection that is set up. Owner of the time at which the server was last heard, and of the names it listed."""

    def __init__(
        self,
        channel: NacosChannel,
        stream: NacosStream,
        session: Session,
        endpoint: Endpoint,
        credentials: Credentials,
        clock: Clock,
    ) -> None:
        self.session = session
        self._channel = channel
        self._stream = stream
        self._endpoint = endpoint
        self._credentials = credentials
        self._clock = clock
        self._heard_at = clock.now()
        self._replies: list[Payload] = []
        self._has_replies = asyncio.Event()
        self._names: dict[tuple[str, str], _Names] = {}

    async def listen(self, tell: Callable[[News], None], complain: Callable[[str], None]) -> None:
        """Take what the server says for ever, and hand on its news; `tell` never waits, `answer` replies.

        Raises ConnectionLost at the end of the stream, and when the server wants us to go (after `tell` of it).
        Cancelling it ends the connection.
        """
        slicer = Slicer()
        while True:
            # Messages that are there already are taken without a wait, and there may be thousands.
            await slicer.breathe()
            reaction = self.session.receive(await self._stream.receive())
            self._heard_at = self._clock.now()
            if reaction.reply is not None:
                self._replies.append(reaction.reply)
                self._has_replies.set()
            if reaction.problem is not None:
                complain(reaction.problem)
            if reaction.news is not None:
                tell(reaction.news)
            if isinstance(reaction.news, Reset):
                await self._send_replies()
                raise ConnectionLost("sent away by the server")

    async def answer(self) -> None:
        """Send for ever what `listen` owes the server, all of a slice in one write: a write costs more than a reply.

        The replies are bounded by what the server sends in a slice, and the server waits for each. Raises
        ConnectionLost. Cancelling it ends the connection.
        """
        while True:
            await self._has_replies.wait()
            self._has_replies.clear()
            await self._send_replies()

    async def _send_replies(self) -> None:
        replies, self._replies = self._replies, []
        if replies:
            await self._stream.send(*replies)

    async def beat(self) -> None:
        """Ask a silent server for a sign of life for ever, and keep the token fresh.

        Raises ConnectionLost when three questions in a row are not answered. Cancelling it is safe.
        """
        misses = 0
        while True:
            await self._clock.sleep(HEARTBEAT_S if not misses else 0.0)
            await self._refresh_token()
            if self._clock.now() - self._heard_at < HEARTBEAT_S:
                misses = 0
                continue
            try:
                messages.checked("HealthCheckRequest", await self._call(Payload("HealthCheckRequest", b"{}"), {}))
                misses = 0
            except ConnectionLost:
                raise
            except SourceError as error:
                misses += 1
                if misses == _HEARTBEAT_TRIES:
                    raise ConnectionLost(f"no sign of life: {error}") from error

    async def ask(self, question: Payload, service: ServiceName | None = None) -> Payload:
        """Return the reply to a request if it is a success, after one more login if the token was denied.

        Raises SourceError: ConnectionLost ends the session, RequestDenied and RequestRefused are answers.
        Cancelling it is safe.
        """
        token = self._credentials.token()
        headers = self._credentials.headers(token, service)
        reply = await self._call(question, headers)
        try:
            return messages.checked(question.type, reply, headers)
        except RequestDenied:
            if not await self._credentials.renew(token, self._endpoint):
                raise
        headers = self._credentials.headers(self._credentials.token(), service)
        return messages.checked(question.type, await self._call(question, headers), headers)

    async def subscribe(self, namespace: str, service: ServiceName, *, subscribe: bool = True) -> Content | None:
        """Subscribe to a service, or end that; return its content if there is any. Raises as `ask` does."""
        question = messages.request(
            "SubscribeServiceRequest",
            namespace=namespace,
            serviceName=service.name,
            groupName=service.group,
            clusters="",
            subscribe=subscribe,
        )
        return _content(await self.ask(question, service), service)

    async def query(self, namespace: str, service: ServiceName) -> Content:
        """Return the content of a service. Raises as `ask` does."""
        # Empty lists of protected services: the threshold is applied before healthyOnly filters, as over HTTP.
        question = messages.request(
            "ServiceQueryRequest",
            namespace=namespace,
            serviceName=service.name,
            groupName=service.group,
            cluster="",
            healthyOnly=False,
            udpPort=0,
        )
        content = _content(await self.ask(question, service), service)
        if content is None:
            raise SourceDataError(f"{question.type}: a reply without content")
        return content

    async def names(self, namespace: str, group: str, page_size: int) -> frozenset[str]:
        """Return all service names of a group: the same object as before when the server's bytes are.

        Raises as `ask` does, and SourceDataError if the list moves too much.
        """
        before = self._names.get((namespace, group), _Names())

        async def read(number: int, size: int) -> NamesPage:
            question = messages.request(
                "ServiceListRequest",
                namespace=namespace,
                serviceName="",
                groupName=group,
                pageNo=number,
                pageSize=size,
                selector="",
            )
            reply = await self.ask(question)
            digest = fingerprint(reply.body)
            if number <= len(before.pages) and before.pages[number - 1].digest == digest:
                return before.pages[number - 1]
            page = messages.decode(reply, messages.ServiceNames)
            names = tuple(page.service_names or ())
            return NamesPage(digest, names, len(names), page.count)

        pages = tuple(await read_pages(read, page_size, frozenset()))
        if [page.digest for page in pages] != [page.digest for page in before.pages]:
            names = frozenset(name for page in pages for name in page.names)
            before = self._names[namespace, group] = _Names(pages, names)
        return before.all

    async def _call(self, question: Payload, headers: dict[str, str]) -> Payload:
        reply = await self._channel.call(question, headers)
        self._heard_at = self._clock.now()
        return reply

    async def _refresh_token(self) -> None:
        try:
            await self._credentials.prepare(self._endpoint)
        except SourceUnavailable:
            # A token that has expired is denied, and the denial is told; until then the old one is good.
            return


async def set_up(stream: NacosStream, session: Session, clock: Clock) -> None:
    """Wait until the server has taken the connection in. Raises SourceError; cancelling it ends the connection."""
    try:
        async with asyncio.timeout(_ABILITIES_TIMEOUT_S):
            while session.awaits_abilities:
                reaction = session.receive(await stream.receive())
                if reaction.reply is not None:
                    await stream.send(reaction.reply)
    except TimeoutError as error:
        raise SourceUnavailable("the server did not confirm the connection") from error
    if session.state is State.SETTING_UP:
        await clock.sleep(_REGISTRATION_S)
        session.assume_ready()
    if session.state is not State.READY:
        raise ConnectionLost("sent away by the server")


def _content(reply: Payload, service: ServiceName) -> Content | None:
    info = messages.decode(reply, ServiceReply).service_info
    return None if bytes(info) in (b"null", b"") else messages.read_content(info, service)
