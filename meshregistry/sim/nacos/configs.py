"""As much of Nacos's configuration service as applications need to start: Dubbo keeps its mapping of names there.

Source: alibaba/nacos config/server/remote (ConfigQueryRequestHandler and its neighbours). Nobody is told of changes.
"""

import hashlib
from collections.abc import Mapping

import orjson

from meshregistry.sim.nacos.payload import Payload

_NOT_FOUND = 300
_ABSENT = "0"
"""The sum that a client names which expects nothing to be there (Dubbo)."""

_Key = tuple[str, str, str]


class Configs:
    """Owner of the contents by tenant, group and data id."""

    def __init__(self) -> None:
        self._contents: dict[_Key, str] = {}

    def knows(self, type_: str) -> bool:
        """Whether it answers the request."""
        return type_ in {"ConfigQueryRequest", "ConfigPublishRequest", "ConfigBatchListenRequest"}

    def answer(self, payload: Payload) -> Payload:
        """Answer one request; raises PayloadError."""
        request = payload.parsed()
        match payload.type:
            case "ConfigQueryRequest":
                return Payload("ConfigQueryResponse", self._query(request))
            case "ConfigPublishRequest":
                return Payload("ConfigPublishResponse", self._publish(request))
            case _:
                return Payload("ConfigChangeBatchListenResponse", self._compare(request))

    def _query(self, request: Mapping[str, object]) -> bytes:
        content = self._contents.get(_key(request))
        if content is None:
            return _failure(_NOT_FOUND, "config data not exist")
        return _success(content=content, md5=_md5(content), contentType="text", lastModified=0, isBeta=False)

    def _publish(self, request: Mapping[str, object]) -> bytes:
        expected = request.get("casMd5")
        known = self._contents.get(_key(request))
        if expected and expected != (_ABSENT if known is None else _md5(known)):
            return _failure(500, "Cas publish fail,server md5 may have changed.")
        self._contents[_key(request)] = str(request.get("content") or "")
        return _success()

    def _compare(self, request: Mapping[str, object]) -> bytes:
        asked = request.get("configListenContexts")
        changed = []
        for each in asked if isinstance(asked, list) and request.get("listen") else ():
            content = self._contents.get(_key(each))
            if (each.get("md5") or "") != ("" if content is None else _md5(content)):
                changed.append({name: each.get(name) for name in ("group", "dataId", "tenant")})
        return _success(changedConfigs=changed)


def _key(request: Mapping[str, object]) -> _Key:
    return str(request.get("tenant") or ""), str(request.get("group") or ""), str(request.get("dataId") or "")


def _md5(content: str) -> str:
    return hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()


def _success(**fields: object) -> bytes:
    return orjson.dumps({"resultCode": 200, "errorCode": 0, **fields, "success": True})


def _failure(code: int, reason: str) -> bytes:
    return orjson.dumps({"resultCode": 500, "errorCode": code, "message": reason, "success": False})
