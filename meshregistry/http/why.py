"""The page that answers why a host has an endpoint, or has it not."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
from aiohttp import web

from meshregistry.http.debug import json_answer, read_number
from meshregistry.http.views import ClientHolding, Why, WhyView
from meshregistry.store.explain import InstanceAnswer, Question, ResourceAnswer, ServiceAnswer

_LONGEST = 253
_CHANGES_SHOWN = 5


class WhyPage:
    """Answers from the explainer, the journal and the table of clients, as text or, with `format=json`, as JSON."""

    def __init__(self, why: WhyView) -> None:
        self._why = why

    async def get(self, request: web.Request) -> web.Response:
        """Return the way of a `host`, of an `address` with all its ports or one `port`, or of both.

        Raises HTTPNotFound, HTTPBadRequest.
        """
        question = read_question(request.query)
        if not question.host and not question.address:
            return web.Response(text="ask with host=..., address=... (and port=...) or both\n")
        answers = self._why.explain(question)
        if not answers:
            raise web.HTTPNotFound(text=f"nothing is known of {question.host or question.address!a}\n")
        if request.query.get("format") == "json":
            return json_answer([msgspec.to_builtins(answer) for answer in answers])
        return web.Response(text="\n\n".join("\n".join(_print(answer)) for answer in answers) + "\n")


def read_question(parameters: Mapping[str, str]) -> Question:
    """Return what a request asks; raises HTTPBadRequest."""
    host, address = parameters.get("host", "")[:_LONGEST], parameters.get("address", "")[:_LONGEST]
    return Question(host, address, read_number(parameters, "port", 0) if address else 0)


def _print(answer: Why) -> Iterator[str]:
    resource = answer.resource
    yield f"{resource.resource}  hosts {', '.join(resource.hosts) or '-'}"
    yield from _print_state(resource)
    for service in resource.services:
        yield from _print_service(service)
    for reject in resource.rejects:
        yield f"  dropped or repaired: {reject.reason} {reject.subject} {reject.detail}"
    for change in answer.changes[-_CHANGES_SHOWN:]:
        origin = " ".join(filter(None, (change.why, change.scope, f"({change.detail})" if change.detail else "")))
        said = ", ".join((f"+{change.added} -{change.removed} endpoints", *change.altered))
        yield f"  commit {change.sequence}: {change.what} by {origin}, {said}"
    if answer.clients or resource.version:
        yield from _print_clients(answer.clients)


def _print_state(resource: ResourceAnswer) -> Iterator[str]:
    if not resource.version:
        yield "  nothing is served"
    else:
        yield f"  served: {resource.endpoints} endpoints, version {resource.version}, since commit {resource.sequence}"
    if resource.rule:
        yield f"  guard: {resource.rule}"
    for instance in resource.kept:
        yield from _print_instance(instance)


def _print_service(service: ServiceAnswer) -> Iterator[str]:
    registered = "?" if service.registered is None else service.registered
    held = f", {service.held} held by {', '.join(service.holds)}" if service.held else ""
    yield f"  from {service.service}: {registered} registered, {service.contributed} contributed{held}"
    for instance in service.instances:
        yield from _print_instance(instance)


def _print_instance(instance: InstanceAnswer) -> Iterator[str]:
    detail = f": {instance.detail}" if instance.detail else ""
    yield f"    {instance.address}:{instance.port} {instance.outcome}{detail}"
    for each in instance.relabelled:
        before = "" if each.before is None else f" instead of {each.before!r}"
        yield f"      relabelled: {each.key} is {each.after!r}{before}"


def _print_clients(clients: Sequence[ClientHolding]) -> Iterator[str]:
    if not clients:
        yield "  no client is connected"
    for client in clients:
        yield f"  client {client.client} {client.state}{_print_since(client)}"


def _print_since(client: ClientHolding) -> str:
    if client.held_s is not None:
        return f" since {'at least ' if client.is_held_longer else ''}{client.held_s:.0f} s"
    return f", last heard of {client.acked_age_s:.0f} s ago" if client.acked_age_s is not None else ""
