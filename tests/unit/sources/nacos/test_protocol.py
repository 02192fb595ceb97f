"""The connection as captured from 2.3.1 and 3.1.0: handshake, acknowledgements, resets."""

import msgspec
import pytest

from meshregistry.errors import SourceDataError, SourceUnavailable
from meshregistry.sources.nacos import messages
from meshregistry.sources.nacos.messages import Content, FuzzyContext, ServiceName
from meshregistry.sources.nacos.nodes import GrpcAddress
from meshregistry.sources.nacos.payload import Payload
from meshregistry.sources.nacos.protocol import FuzzyNews, Reaction, Reset, Session, State

INFO = {"name": "orders", "groupName": "G", "hosts": [], "lastRefTime": 5}


def _checked(*, negotiates: bool = True) -> tuple[Session, Payload]:
    session = Session("public", tls=False)
    reply = messages.request(
        "ServerCheckResponse", resultCode=200, connectionId="1_2_3", supportAbilityNegotiation=negotiates
    )
    return session, session.check(reply)


def _ready() -> Session:
    session, _ = _checked()
    session.receive(messages.request("SetupAckRequest", abilityTable={"fuzzyWatch": True, "lock": False}))
    return session


def _reply(reaction: Reaction) -> tuple[str, dict[str, object]]:
    assert reaction.reply is not None
    return reaction.reply.type, msgspec.json.decode(reaction.reply.body)


def test_the_handshake_of_a_server_that_negotiates() -> None:
    session, setup = _checked()

    assert ("ConnectionSetupRequest", State.SETTING_UP, True) == (setup.type, session.state, session.awaits_abilities)
    sent = msgspec.json.decode(setup.body)
    assert ("sdk", "public", {"fuzzyWatch": True}) == (
        sent["labels"]["source"],
        sent["tenant"],
        sent["abilityTable"],
    )

    acknowledged = session.receive(
        messages.request("SetupAckRequest", abilityTable={"fuzzyWatch": True, "lock": False})
    )
    assert Reaction() == acknowledged
    assert (State.READY, frozenset({"fuzzyWatch"})) == (session.state, session.abilities)


def test_a_server_before_2_3_says_nothing_and_is_taken_for_ready() -> None:
    session, _ = _checked(negotiates=False)

    assert not session.awaits_abilities
    session.assume_ready()
    assert (State.READY, frozenset()) == (session.state, session.abilities)


def test_a_server_that_is_starting_is_left() -> None:
    starting = messages.request("ServerCheckResponse", resultCode=500, errorCode=300, message="Server is starting")

    with pytest.raises(SourceUnavailable, match="300"):
        Session("public", tls=False).check(starting)


def test_what_answers_something_else_is_no_nacos() -> None:
    with pytest.raises(SourceDataError, match="not Nacos"):
        Session("public", tls=False).check(messages.request("Hello", resultCode=200))


@pytest.mark.parametrize(
    ("kind", "fields", "answer", "news"),
    [
        ("ClientDetectionRequest", {}, "ClientDetectionResponse", None),
        (
            "NotifySubscriberRequest",
            {"serviceInfo": INFO},
            "NotifySubscriberResponse",
            Content(ServiceName("G", "orders"), 5, msgspec.json.encode(INFO)),
        ),
        (
            "NamingFuzzyWatchSyncRequest",
            {
                "syncType": "FUZZY_WATCH_INIT_NOTIFY",
                "contexts": [{"serviceKey": "public@@G@@orders", "changedType": "ADD_SERVICE"}],
            },
            "NamingFuzzyWatchSyncResponse",
            FuzzyNews((FuzzyContext("public@@G@@orders", "ADD_SERVICE"),)),
        ),
        (
            "NamingFuzzyWatchSyncRequest",
            {"syncType": "FINISH_FUZZY_WATCH_INIT_NOTIFY", "contexts": []},
            "NamingFuzzyWatchSyncResponse",
            FuzzyNews((), finished=True),
        ),
        (
            "NamingFuzzyWatchChangeNotifyRequest",
            {"serviceKey": "public@@G@@orders", "changedType": "DELETE_SERVICE"},
            "NamingFuzzyWatchChangeNotifyResponse",
            FuzzyNews((FuzzyContext("public@@G@@orders", "DELETE_SERVICE"),)),
        ),
        ("ConnectResetRequest", {"serverIp": "10.0.0.2", "serverPort": "8848"}, "ConnectResetResponse",
         Reset(GrpcAddress("10.0.0.2", 8848))),
        ("ConnectResetRequest", {"serverIp": "10.0.0.2", "serverPort": 8848}, "ConnectResetResponse",
         Reset(GrpcAddress("10.0.0.2", 8848))),
        ("ConnectResetRequest", {"serverIp": "10.0.0.2", "serverPort": "http"}, "ConnectResetResponse", Reset(None)),
        ("ConnectResetRequest", {"serverIp": "10.0.0.2", "serverPort": "9" * 5000}, "ConnectResetResponse",
         Reset(None)),
        ("ConnectResetRequest", {"serverPort": "8848"}, "ConnectResetResponse", Reset(None)),
        ("ConnectResetRequest", {}, "ConnectResetResponse", Reset(None)),
    ],
)  # fmt: skip
def test_each_request_is_acknowledged_with_its_id(
    kind: str, fields: dict[str, object], answer: str, news: object
) -> None:
    session = _ready()

    reaction = session.receive(messages.request(kind, requestId="41", module="naming", **fields))

    assert (answer, {"resultCode": 200, "errorCode": 0, "requestId": "41"}) == _reply(reaction)
    assert (news, None) == (reaction.news, reaction.problem)
    assert (State.RESET if kind == "ConnectResetRequest" else State.READY) is session.state


def test_a_push_that_cannot_be_read_is_acknowledged_and_told_of() -> None:
    reaction = _ready().receive(messages.request("NotifySubscriberRequest", requestId="7", serviceInfo={"name": 5}))

    assert "NotifySubscriberResponse" == _reply(reaction)[0]
    assert reaction.news is None
    assert reaction.problem is not None


def test_an_unknown_request_is_refused_and_an_unknown_response_only_told_of() -> None:
    session = _ready()
    refusal = session.receive(messages.request("NewFangledRequest", requestId="9"))
    kind, body = _reply(refusal)
    assert ("ErrorResponse", 302, "9") == (kind, body["errorCode"], body["requestId"])

    stray = session.receive(messages.request("NewFangledResponse"))
    assert (None, None, "unknown message 'NewFangledResponse'") == stray

    long = session.receive(messages.request("New" * 100_000)).problem
    assert long is not None
    assert 300 > len(long)
