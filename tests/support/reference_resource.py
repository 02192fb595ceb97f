"""A resource's bytes on the wire as Google's own protobuf runtime writes them."""

from datetime import datetime
from typing import Any

from google.protobuf.message import Message

from meshregistry.model.service_entry import ServiceEntry
from meshregistry.model.sidecar import Sidecar
from tests.support.pb2_decoder import message_class


def frame_resource(model: ServiceEntry | Sidecar, spec: Message, version: str, created: datetime) -> Any:
    """Return the `Any(mcp.Resource)` of a resource whose spec is this message."""
    metadata = message_class("istio.mcp.v1alpha1.Metadata")(
        name=f"{model.namespace}/{model.name}",
        create_time={"seconds": int(created.timestamp()), "nanos": created.microsecond * 1000},
        version=version,
        labels=dict(model.labels),
        annotations=dict(model.annotations),
    )
    return _pack(message_class("istio.mcp.v1alpha1.Resource")(metadata=metadata, body=_pack(spec)))


def _pack(message: Message) -> Any:
    type_url = f"type.googleapis.com/{message.DESCRIPTOR.full_name}"
    return message_class("google.protobuf.Any")(type_url=type_url, value=message.SerializeToString(deterministic=True))
