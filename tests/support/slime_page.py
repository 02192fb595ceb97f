"""The page `xdsCache` as Slime prints it (pkg/mcpoverxds/mcpcontroller.go), written by hand."""

from collections.abc import Mapping
from typing import Any

import orjson

_PREFIX = "networking.istio.io/v1alpha3/"


def slime_item(
    name: str,
    spec: Mapping[str, Any] | None,
    *,
    namespace: str = "nacos",
    kind: str = "ServiceEntry",
    labels: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return one item; a spec of None makes a tombstone."""
    return {
        "type": _PREFIX + kind,
        "name": name,
        "namespace": namespace,
        "labels": labels or {"registry": "nacos"},
        "annotations": {"ResourceVersion": "2023-04-07 09:14:37.971015359 +0000 UTC m=+246.064642097"},
        "creationTimestamp": "2023-04-07T09:14:37Z",
        "Spec": spec,
        "Status": None,
    }


def slime_page(*items: Mapping[str, Any]) -> bytes:
    """Return the page with the default layout: type → items."""
    by_type: dict[str, list[Mapping[str, Any]]] = {}
    for item in items:
        by_type.setdefault(item["type"], []).append(item)
    return orjson.dumps(by_type, option=orjson.OPT_INDENT_2)
