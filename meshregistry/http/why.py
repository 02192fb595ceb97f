"""The page that answers why a host has an endpoint, or has it not."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec
from aiohttp import web

from meshregistry.http.debug import JSON, read_number
from meshregistry.http.staleness import stale_header
from meshregistry.http.streaming import send_slices
from meshregistry.http.text import json_array
from meshregistry.http.views import ClientHolding, StalenessView, Why, WhyView
from meshregistry.store.explain import InstanceAnswer, Question, ResourceAnswer, ServiceAnswer
from meshregistry.telemetry.logs import without_controls

_LONGEST = 253
_CHANGES_SHOWN = 5
_TEXT = "text/plain; charset=utf-8"


class WhyPage:
    """Answers from the explainer, the journal and the table of clients, as text or, with `format=json`, as JSON."""

    def __init__(self, why: WhyView, staleness: StalenessView, send_timeout_s: float) -> None:
        self._why = why
        self._staleness = staleness
        self._send_timeout_s = send_timeout_s

    async def get(self, request: web.Request) -> web.StreamResponse:
        """Return the way of a `host`, of an `address` with all its ports or one `port`, or of both.

        Raises HTTPNotFound, HTTPBadRequest.
        """
        question = read_question(request.query)
        if not question.host and not question.address:
            return web.Response(text="ask with host=..., address=... (and port=...) or both\n")
        is_json = request.query.get("format") == "json"
        answers = self._walk(question)
        slices = json_array(each and msgspec.to_builtins(each) for each in answers) if is_json else _print_all(answers)
        headers = {"Content-Type": JSON if is_json else _TEXT, **stale_header(self._staleness)}
        return await send_slices(request, slices, headers, self._send_timeout_s)

    def _walk(self, question: Question) -> Iterator[Why | None]:
        is_known = False
        for each in self._why.explain(question):
            yield each
            is_known = is_known or each is not None
        if not is_known:
            raise web.HTTPNotFound(text=f"nothing is known of {question.host or question.address!a}\n")


def read_question(parameters: Mapping[str, str]) -> Question:
    """Return what a request asks; raises HTTPBadRequest."""
    host, address = parameters.get("host", "")[:_LONGEST], parameters.get("address", "")[:_LONGEST]
    return Question(host, address, read_number(parameters, "port", 0) if address else 0)


def _print_all(answers: Iterable[Why | None]) -> Iterator[bytes]:
    """Yield one answer after the other, with a line between them; nothing is known of steps."""
    separator, left_out = "", 0
    for each in answers:
        if each is None:
            yield b""
            continue
        left_out = each.more_resources
        yield (separator + "\n".join(map(without_controls, _print(each))) + "\n").encode()
        separator = "\n"
    if left_out:
        yield f"\n{left_out} more resources: ask with host=...\n".encode()


def _print(answer: Why) -> Iterator[str]:
    resource = answer.resource
    hosts = ", ".join((*resource.hosts, *([f"{resource.more_hosts} more"] if resource.more_hosts else ())))
    yield f"{resource.resource}  hosts {hosts or '-'}"
    yield from _print_state(resource)
    yield from (f"  {each}" for each in answer.stale)
    for service in resource.services:
        yield from _print_service(service)
    yield from _print_more(resource.more_services, "services", 2)
    for reject in resource.rejects:
        yield f"  dropped or repaired: {reject.reason} {reject.subject} {reject.detail}"
    yield from _print_more(resource.more_rejects, "dropped or repaired", 2)
    for change in answer.changes[-_CHANGES_SHOWN:]:
        origin = " ".join(filter(None, (change.why, change.scope, f"({change.detail})" if change.detail else "")))
        said = ", ".join((f"+{change.added} -{change.removed} endpoints", *change.altered))
        yield f"  commit {change.sequence}: {change.what} by {origin}, {said}"
    if answer.clients or resource.version:
        yield from _print_clients(answer)


def _print_state(resource: ResourceAnswer) -> Iterator[str]:
    if not resource.version:
        yield "  nothing is served"
    else:
        yield f"  served: {resource.endpoints} endpoints, version {resource.version}, since commit {resource.sequence}"
    if resource.rule:
        yield f"  guard: {resource.rule}"
    for instance in resource.kept:
        yield from _print_instance(instance)
    yield from _print_more(resource.more_kept, "endpoints", 4)


def _print_service(service: ServiceAnswer) -> Iterator[str]:
    registered = "?" if service.registered is None else service.registered
    why = f" ({', '.join(service.causes)})" if service.causes else ""
    held = f", {service.held} held by {', '.join(service.holds)}{why}" if service.held else ""
    yield f"  from {service.service}: {registered} registered, {service.contributed} contributed{held}"
    for instance in service.instances:
        yield from _print_instance(instance)
    yield from _print_more(service.more_instances, "instances: ask with address=...", 4)


def _print_instance(instance: InstanceAnswer) -> Iterator[str]:
    detail = f": {instance.detail}" if instance.detail else ""
    yield f"    {instance.address}:{instance.port} {instance.outcome}{detail}"
    for each in instance.relabelled:
        before = "" if each.before is None else f" instead of {each.before!r}"
        yield f"      relabelled: {each.key} is {each.after!r}{before}"


def _print_clients(answer: Why) -> Iterator[str]:
    if not answer.clients:
        yield "  no client is connected"
    for client in answer.clients:
        yield f"  client {client.client} {client.state}{_print_since(client)}"
    if sum(answer.client_states.values()) > len(answer.clients):
        counts = (f"{count} {state}" for state, count in sorted(answer.client_states.items()))
        yield f"  of all clients: {', '.join(counts)}"


def _print_more(count: int, what: str, depth: int) -> Iterator[str]:
    if count:
        yield f"{' ' * depth}{count} more {what}"


def _print_since(client: ClientHolding) -> str:
    if client.held_s is not None:
        return f" since {'at least ' if client.is_held_longer else ''}{client.held_s:.0f} s"
    return f", last heard of {client.acked_age_s:.0f} s ago" if client.acked_age_s is not None else ""
