"""The model's steps as lines for people: what would happen in the mesh, one line per event."""

from collections.abc import Callable, Mapping
from datetime import datetime

from meshregistry.watch.effects import Effect, Push
from meshregistry.watch.families import SERVICE_ENTRY, Family, kind_of
from meshregistry.watch.model import Action, ConfigEvent, StoredConfig
from meshregistry.watch.observations import Observation, ResponseApplied, StreamLost, StreamOpened
from meshregistry.watch.resources import Endpoint, ServiceEntrySpec, ServicePort

MAX_CHANGES = 5


class Printer:
    """Writes observations line by line. It owns the running count of services and what it has announced."""

    def __init__(self, target: str, family: Family, write: Callable[[str], None], now: Callable[[], datetime]) -> None:
        self._target = target
        self._family = family
        self._write = write
        self._now = now
        self._services = 0
        self._announced_wait = False

    def observe(self, observation: Observation) -> None:
        """Write the lines of one observation; none for a response that changed nothing before the sync."""
        match observation:
            case StreamOpened(types):
                self._announced_wait = False
                self._line("·", f"connected to {self._target} as istiod {self._family.name}, asked for {types} types")
            case StreamLost(reason, retry_s):
                self._line("x", f"stream ended: {reason}, reconnect in {retry_s:.1f} s")
            case ResponseApplied():
                self._response(observation)

    def _response(self, observation: ResponseApplied) -> None:
        handled = observation.handled
        for event, effect in zip(handled.events, observation.effects, strict=True):
            if event.action is not Action.SKIPPED:
                self._line(*event_text(event, effect))
        self._count(handled.events)
        if handled.completed_sync:
            answered = len(self._family.gating_types)
            self._line("=", f"synced: {answered} types answered, {_plural(self._services, 'ServiceEntry')}")
        elif handled.events and all(event.action is Action.SKIPPED for event in handled.events):
            self._line("·", f"{kind_of(handled.type_url)}: {len(handled.events)} received, nothing changed")
        self._announce_wait(observation.missing_types)

    def _announce_wait(self, missing_types: tuple[str, ...]) -> None:
        if missing_types == (self._family.service_entry_type,) and not self._announced_wait:
            self._announced_wait = True
            self._line("·", f"waiting for {missing_types[0]}: the server still holds it, istiod would not be ready")

    def _count(self, events: tuple[ConfigEvent, ...]) -> None:
        steps = {Action.CREATED: 1, Action.DELETED: -1}
        self._services += sum(steps.get(event.action, 0) for event in events if event.key.kind == SERVICE_ENTRY)

    def _line(self, mark: str, text: str) -> None:
        self._write(f"{self._now():%H:%M:%S.%f}"[:-3] + f" {mark} {printable(text)}")


def printable(text: str) -> str:
    """The text on one line and without control characters: names come from a registry and may hold anything."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def event_text(event: ConfigEvent, effect: Effect) -> tuple[str, str]:
    """The mark and the words for one event."""
    title = _title(event)
    match event.action:
        case Action.CREATED:
            return "+", f"created {title}{_endpoint_count(event.new)}{_push(effect)}"
        case Action.UPDATED:
            return "~", f"updated {title}: {_update_text(event.old, event.new)}{_push(effect)}"
        case Action.DELETED:
            return "-", f"deleted {title}{_because(event.reason)}{_push(effect)}"
        case Action.SKIPPED:
            return "=", f"unchanged {title}"
        case Action.INVALID:
            kept = "istiod keeps the old one" if event.old else "istiod does not store it"
            return "!", f"rejected {title}: {event.reason} ({kept})"
        case Action.UNDECODABLE | Action.OTHER_REVISION:
            return "!", f"{event.action} {title}: {event.reason} (counts as absent)"


def _title(event: ConfigEvent) -> str:
    name = f"{event.key.namespace}/{event.key.name}"
    config = event.new or event.old
    if config is not None and isinstance(config.spec, ServiceEntrySpec):
        hosts = ", ".join(config.spec.hosts)
        return hosts if hosts == event.key.name else f"{hosts} ({name})"
    return f"{event.key.kind} {name}"


def _endpoint_count(config: StoredConfig | None) -> str:
    if config is None or not isinstance(config.spec, ServiceEntrySpec):
        return ""
    return f", {_plural(len(config.spec.endpoints), 'endpoint')}"


def _plural(count: int, noun: str) -> str:
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {noun[:-1]}ies" if noun.endswith("y") else f"{count:,} {noun}s"


def _push(effect: Effect) -> str:
    push = "no push" if effect.push is Push.NONE else f"{effect.push} push"
    return f" -> {push}{_because(effect.reason)}"


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _update_text(old: StoredConfig | None, new: StoredConfig | None) -> str:
    if old is None or new is None:
        return "content changed"
    changes = [name for name in ("labels", "annotations", "create_time_ns") if getattr(old, name) != getattr(new, name)]
    if isinstance(old.spec, ServiceEntrySpec) and isinstance(new.spec, ServiceEntrySpec):
        changes = [*endpoint_changes(old.spec, new.spec), *_field_changes(old.spec, new.spec), *changes]
    elif old.spec != new.spec:
        changes = ["spec", *changes]
    hidden = len(changes) - MAX_CHANGES
    shown = changes[:MAX_CHANGES] + ([f"{hidden:,} more"] if hidden > 0 else [])
    return ", ".join(shown) or "same content under another version"


def _field_changes(old: ServiceEntrySpec, new: ServiceEntrySpec) -> list[str]:
    fields = (
        ("hosts", old.hosts, new.hosts),
        ("addresses", old.addresses, new.addresses),
        ("ports", _ports_text(old.ports), _ports_text(new.ports)),
        ("location", old.location, new.location),
        ("resolution", old.resolution, new.resolution),
        ("exportTo", old.export_to, new.export_to),
        ("subjectAltNames", old.subject_alt_names, new.subject_alt_names),
        ("workloadSelector", old.workload_selector, new.workload_selector),
    )
    return [f"{name} {_value(before)}→{_value(after)}" for name, before, after in fields if before != after]


def _ports_text(ports: tuple[ServicePort, ...]) -> tuple[str, ...]:
    return tuple(
        f"{port.name}:{port.number}/{port.protocol}" + (f">{port.target_port}" if port.target_port else "")
        for port in ports
    )


def _value(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ",".join(map(str, value)) + "]"
    return str(dict(value)) if isinstance(value, Mapping) else str(value)


def endpoint_changes(old: ServiceEntrySpec, new: ServiceEntrySpec) -> list[str]:
    """Who joined, who left and what changed at those that stayed; an endpoint is known by its address and ports."""
    before = {_endpoint_name(endpoint, old): endpoint for endpoint in old.endpoints}
    after = {_endpoint_name(endpoint, new): endpoint for endpoint in new.endpoints}
    changes = [f"{name} joined" for name in after if name not in before]
    changes += [f"{name} left" for name in before if name not in after]
    changes += [
        f"{name} {_endpoint_difference(before[name], after[name])}"
        for name in after
        if name in before and before[name] != after[name]
    ]
    return changes or (["endpoint order"] if old.endpoints != new.endpoints else [])


def _endpoint_name(endpoint: Endpoint, spec: ServiceEntrySpec) -> str:
    numbers = [endpoint.ports.get(port.name) or port.target_port or port.number for port in spec.ports]
    address = f"[{endpoint.address}]" if ":" in endpoint.address else endpoint.address
    return f"{address}:{','.join(map(str, dict.fromkeys(numbers)))}"


def _endpoint_difference(old: Endpoint, new: Endpoint) -> str:
    fields = (
        ("weight", old.weight, new.weight),
        ("locality", old.locality, new.locality),
        ("network", old.network, new.network),
        ("service account", old.service_account, new.service_account),
    )
    changes = [f"{name} {before or '-'}→{after or '-'}" for name, before, after in fields if before != after]
    for key in sorted({*old.labels, *new.labels}):
        before, after = old.labels.get(key), new.labels.get(key)
        if before != after:
            changes.append(f"label {key} {before or '-'}→{after or '-'}")
    return " ".join(changes)
