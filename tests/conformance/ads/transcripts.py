"""The language of the transcripts: steps a client or the world takes, and the answers expected after each.

Case numbers, here and in the tests beside it:
X1…X69 are the cases collected from the test suites of go-control-plane, java-control-plane and Istio;
E1…E25 the rules of Envoy's xDS protocol document; I1…I10 the additions for istiod;
T, S, N, R, V, P, H, D, M and a number are the lines of the checklist of what istiod expects.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.support.ads_rig import LAST, Rig
from tests.support.ads_world import SERVICE_ENTRY, Answer, commit_sidecars, full_name

Action = Callable[[Rig], Awaitable[None]]


@dataclass(frozen=True)
class Transcript:
    """A named conversation; `steps` alternate what happens and the answers to it."""

    cases: str
    """The cases it shows, separated by spaces."""

    name: str
    steps: tuple[tuple[Action, list[Answer]], ...]
    world: tuple[str, ...] = ("a", "b")
    """Resources that exist at the start, with mark 1."""

    complete: bool = True


def ask(*names: str, url: str = SERVICE_ENTRY, nonce: str = LAST, error: str = "", version: str = "") -> Action:
    """SotW: send the whole list of names."""
    return lambda rig: rig.ask(url, *names, nonce=nonce, error=error, version=version)


def sub(
    *names: str,
    un: tuple[str, ...] = (),
    initial: dict[str, str] | None = None,
    url: str = SERVICE_ENTRY,
    nonce: str = "",
    error: str = "",
) -> Action:
    """Delta: subscribe and unsubscribe names."""
    return lambda rig: rig.ask(url, *names, unsubscribe=un, initial=initial, nonce=nonce, error=error)


def change(**marks: object) -> Action:
    """Change the world: a mark sets a resource, None removes it; `a` is `ns/a`, `o_a` is `o/a`."""

    async def act(rig: Rig) -> None:
        rig.commit(marks)

    return act


def call(**marks: object) -> Action:
    """Change the Sidecars of the world, as `change` does its ServiceEntries."""

    async def act(rig: Rig) -> None:
        commit_sidecars(rig.store, marks)

    return act


def release() -> Action:
    """Complete the snapshot."""

    async def act(rig: Rig) -> None:
        rig.store.complete()

    return act


def acknowledge(on: bool) -> Action:
    """Let the client acknowledge what it gets, or stop doing so."""

    async def act(rig: Rig) -> None:
        rig.acks = on

    return act


def got(_url: str = SERVICE_ENTRY, _gone: tuple[str, ...] = (), **marks: object) -> Answer:
    """An answer with these resources, and in delta these removed names."""
    resources = {full_name(name): str(mark) for name, mark in marks.items()}
    return Answer(_url, resources, tuple(map(full_name, _gone)))
