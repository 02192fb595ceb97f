"""The calls of Eureka's REST interface (eureka-core, resources/*.java), as Spring Cloud 2025.0 answers them."""

import base64
import hmac

from meshregistry.sim.eureka.caches import Key
from meshregistry.sim.eureka.exchange import JSON, XML, Call, Refused, Reply, not_found, spring_error
from meshregistry.sim.eureka.node import Node, Operation
from meshregistry.sim.eureka.records import STATUSES, Malformed, read_record
from meshregistry.sim.eureka.registry import Registry

_MS = 1000


class Api:
    """Answers calls; `username` "" lets everybody in."""

    def __init__(self, node: Node, username: str, password: str) -> None:
        self._node = node
        self._username = username
        credentials = base64.b64encode(f"{username}:{password}".encode()).decode()
        self.authorization = f"Basic {credentials}"
        """What a caller who may come in sends."""

    def answer(self, call: Call, now: float) -> Reply:
        """The answer of a healthy server at a time; no I/O."""
        given = call.headers.get("Authorization", "")
        if self._username and not hmac.compare_digest(given.encode(), self.authorization.encode()):
            return Reply(status=401, headers={"WWW-Authenticate": 'Basic realm="Realm"'})
        try:
            return self._read(call) if call.method == "GET" else self._write(call, now)
        except Refused as refused:
            return refused.reply

    def _read(self, call: Call) -> Reply:
        match call.parts:
            case ("apps",):
                return self._cached(call, "apps")
            case ("apps", "delta"):
                if not self._node.offers_deltas:
                    raise Refused(Reply(status=403))
                return self._cached(call, "delta")
            case ("apps", application):
                return self._cached(call, "app", application)
            case ("vips", vip):
                return self._cached(call, "vip", vip)
            case ("svips", vip):
                return self._cached(call, "svip", vip)
            case ("apps", application, id_):
                lease = self._settled().find(application, id_)
            case ("instances", id_):
                lease = self._settled().find_everywhere(id_)
            case _:
                lease = None
        if lease is None:
            raise not_found(call)
        body = self._node.views.write_instance(lease, is_json=call.wants_json)
        return Reply(body, content_type=JSON if call.wants_json else XML)

    def _cached(self, call: Call, kind: str, name: str = "") -> Reply:
        compact = call.headers.get("X-Eureka-Accept", "").lower() == "compact"
        key = Key(kind, name, call.wants_json, compact, call.params.get("regions", ""))  # type: ignore[arg-type]
        written = self._node.read(key)
        if written is None:
            raise not_found(call)
        kind_of_text = JSON if call.wants_json else XML
        if "gzip" in call.headers.get("Accept-Encoding", ""):
            return Reply(written.gzipped(), content_type=kind_of_text, gzipped=True)
        return Reply(written.body, content_type=kind_of_text)

    def _settled(self) -> Registry:
        self._node.registry.settle()
        return self._node.registry

    def _write(self, call: Call, now: float) -> Reply:
        match (call.method, *call.parts):
            case ("POST", "apps", application):
                return self._register(call, application, now)
            case ("PUT", "apps", app, id_):
                return self._change(
                    call,
                    lambda registry: registry.renew(app, id_, is_replication=call.is_replication),
                    lambda registry: registry.renew(app, id_, is_replication=True),
                )
            case ("DELETE", "apps", app, id_):
                return self._change(call, lambda registry: registry.cancel(app, id_))
            case ("PUT", "apps", app, id_, "status"):
                status = _status(call, "")
                return self._change(call, lambda registry: registry.override(app, id_, status))
            case ("DELETE", "apps", app, id_, "status"):
                status = _status(call, "UNKNOWN")
                return self._change(call, lambda registry: registry.clear_override(app, id_, status))
            case ("PUT", "apps", app, id_, "metadata"):
                return self._change(call, lambda registry: registry.merge_metadata(app, id_, dict(call.params)))
        raise Refused(spring_error(call, 405, "Method Not Allowed"))

    def _register(self, call: Call, application: str, now: float) -> Reply:
        try:
            record = read_record(call.body, application, int(now * _MS))
        except Malformed as error:
            return Reply(str(error).encode(), 400)
        self._change(
            call,
            lambda registry: registry.register(record, is_replication=call.is_replication),
            lambda registry: registry.register(record, is_replication=True),
        )
        return Reply(status=204)

    def _change(self, call: Call, operation: Operation, replica: Operation | None = None) -> Reply:
        passed_on = None if call.is_replication else replica or operation
        if self._node.change(operation, passed_on) is False:
            raise not_found(call)
        return Reply()


def _status(call: Call, default: str) -> str:
    status = call.params.get("value", default)
    if status not in STATUSES:
        raise Refused(spring_error(call, 500, "Internal Server Error"))
    return status
