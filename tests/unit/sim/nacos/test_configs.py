"""The little of the configuration service that applications need."""

import hashlib
from typing import Any

import orjson

from meshregistry.sim.nacos.configs import Configs
from meshregistry.sim.nacos.payload import Payload

_KEY = {"dataId": "d", "group": "g", "tenant": "t"}


def test_what_is_published_is_read_back_and_what_is_not_is_not_there() -> None:
    configs = Configs()

    assert (500, 300) == _codes(_ask(configs, "ConfigQueryRequest", **_KEY))
    assert (200, 0) == _codes(_ask(configs, "ConfigPublishRequest", **_KEY, content="x"))
    assert "x" == _ask(configs, "ConfigQueryRequest", **_KEY)["content"]
    assert (500, 300) == _codes(_ask(configs, "ConfigQueryRequest", **{**_KEY, "tenant": "other"}))


def test_a_conditional_publication_needs_the_sum_of_what_is_there() -> None:
    configs = Configs()

    results = [
        _codes(_ask(configs, "ConfigPublishRequest", **_KEY, content=content, casMd5=expected))
        for content, expected in [("a", _md5("")), ("a", "0"), ("b", "0"), ("b", _md5("a"))]
    ]

    assert [(500, 500), (200, 0), (500, 500), (200, 0)] == results


def test_a_listener_is_told_what_differs_from_what_it_knows() -> None:
    configs = Configs()
    _ask(configs, "ConfigPublishRequest", **_KEY, content="x")
    known = [{**_KEY, "md5": _md5("x")}, {**_KEY, "dataId": "absent", "md5": ""}]
    stale = {**_KEY, "md5": _md5("y")}

    assert [] == _ask(configs, "ConfigBatchListenRequest", listen=True, configListenContexts=known)["changedConfigs"]
    changed = _ask(configs, "ConfigBatchListenRequest", listen=True, configListenContexts=[*known, stale])
    assert [_KEY] == changed["changedConfigs"]
    ended = _ask(configs, "ConfigBatchListenRequest", listen=False, configListenContexts=[stale])
    assert [] == ended["changedConfigs"]


def _ask(configs: Configs, type_: str, **request: Any) -> Any:
    assert configs.knows(type_)
    return orjson.loads(configs.answer(Payload(type_, orjson.dumps(request))).body)


def _codes(answer: Any) -> tuple[int, int]:
    return answer["resultCode"], answer["errorCode"]


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
