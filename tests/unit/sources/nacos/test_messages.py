"""Which replies are successes, and what their failures ask of us."""

import msgspec
import pytest

from meshregistry.errors import SourceDataError, SourceError, SourceUnavailable
from meshregistry.sources.nacos import messages
from meshregistry.sources.nacos.messages import (
    ConnectionLost,
    Content,
    RequestDenied,
    RequestRefused,
    ServiceName,
    ServiceNames,
)
from meshregistry.sources.nacos.payload import Payload


def _failure(code: int, text: str, kind: str = "SubscribeServiceResponse") -> Payload:
    return messages.request(kind, resultCode=500, errorCode=code, message=text, success=False)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (300, SourceUnavailable),
        (301, ConnectionLost),
        (302, RequestRefused),
        (403, RequestDenied),
        (50310, RequestRefused),
        (50311, RequestRefused),
        (0, RequestRefused),
    ],
)
@pytest.mark.parametrize("kind", ["SubscribeServiceResponse", "ErrorResponse"])
def test_a_failure_is_told_by_its_code_and_not_by_its_type(code: int, expected: type[SourceError], kind: str) -> None:
    with pytest.raises(SourceError, match="SubscribeServiceRequest: error") as failure:
        messages.checked("SubscribeServiceRequest", _failure(code, "no\nway", kind))

    assert expected is type(failure.value)
    assert str(failure.value).endswith("no way")


def test_a_success_is_returned_as_it_is() -> None:
    reply = messages.request("ServiceListResponse", resultCode=200, count=2, serviceNames=["a", "b"], success=True)

    names = messages.decode(messages.checked("ServiceListRequest", reply), ServiceNames)

    assert (2, ["a", "b"]) == (names.count, names.service_names)


def test_a_reply_that_is_no_json_is_named() -> None:
    with pytest.raises(SourceDataError, match="ServiceListResponse: "):
        messages.decode(Payload("ServiceListResponse", b"<html>"), ServiceNames)


def test_a_name_that_no_honest_server_gives_a_reply_is_told_in_one_short_line() -> None:
    with pytest.raises(SourceDataError) as refused:
        messages.decode(Payload("Reply\n" + "x" * 100_000, b"<html>"), ServiceNames)

    assert (True, False) == (len(str(refused.value)) < 300, "\n" in str(refused.value))


@pytest.mark.parametrize(("name", "group"), [("orders", "G"), ("G@@orders", "other"), ("G@@orders", "")])
def test_the_content_of_a_service_says_which_and_how_old_it_is(name: str, group: str) -> None:
    body = msgspec.json.encode({"name": name, "groupName": group, "hosts": [], "lastRefTime": 7, "allIPs": False})

    assert Content(ServiceName("G", "orders"), 7, body) == messages.read_content(msgspec.Raw(body))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("public@@G@@orders", ("public", ServiceName("G", "orders"))),
        ("public@@G@@providers:com.x.Y:1.0:g", ("public", ServiceName("G", "providers:com.x.Y:1.0:g"))),
        ("public@@orders", None),
        ("a@@b@@c@@d", None),
        ("@@G@@orders", None),
    ],
)
def test_service_keys_have_three_parts(key: str, expected: tuple[str, ServiceName] | None) -> None:
    assert expected == messages.split_service_key(key)
