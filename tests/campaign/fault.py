"""What a fault is, and one run of it."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.campaign.evidence import Sign, unproven
from tests.campaign.registry import Registry
from tests.campaign.scene import Scene
from tests.campaign.served import name

Make = Callable[[Scene, Registry], Awaitable[None]]
"""Break a registry and heal it again."""

_SHOWN = 3

MakeAll = Callable[[Scene], Awaitable[None]]
"""The same for Meshregistry itself, or for what its clients do to it."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault by its name. `sources` limits it to kinds of registries, `real` to real servers or to simulators.

    `limit` says why, where there is such a limit.
    `signs` prove that it was there: a run in which one of them is missing counts as no run.
    """

    name: str
    signs: tuple[Sign, ...]
    make: Make | None = None
    make_all: MakeAll | None = None
    sources: frozenset[str] = frozenset()
    real: bool | None = None
    limit: str = ""

    def meets(self, registry: Registry) -> bool:
        """Tell whether it can be made of a registry."""
        fits = not self.sources or registry.source in self.sources
        return self.make is not None and fits and self.real in (None, registry.is_real)


@dataclass(slots=True)
class Outcome:
    """What became of the runs of one fault against one thing. `left` is what a process kept of it.

    `unproven` counts the runs of which nothing shows that they broke anything.
    """

    fault: str
    against: str
    times: int = 0
    unproven: int = 0
    lost: int = 0
    wrong: int = 0
    recoveries_s: list[float] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether it was made, was there each time, and nothing was lost, wrong or left."""
        return bool(self.times) and not (self.unproven or self.lost or self.wrong or self.left)

    def count(self, scene: Scene) -> None:
        """Count what has been lost, wrong or said since the last time, before this fault began, too."""
        lost, wrong = scene.witness.take_counts()
        self.lost += len(lost)
        self.wrong += len(wrong) + len(scene.objections)
        self.notes += [*scene.objections, *scene.notes]
        self.notes += [f"lost: {name(each)}" for each in sorted(set(lost))[:_SHOWN]]
        self.notes += [f"wrong: {each}" for each in sorted(set(wrong))[:_SHOWN]]
        scene.objections.clear()
        scene.notes.clear()


async def strike(scene: Scene, fault: Fault, registry: Registry | None, outcome: Outcome) -> None:
    """Make the fault once, heal it, change something everywhere, let it come to rest, and judge.

    Raises what broke the campaign itself.
    """
    before = await scene.signs(registry)
    if registry is not None and fault.make is not None:
        await fault.make(scene, registry)
    elif fault.make_all is not None:
        await fault.make_all(scene)
    healed = time.monotonic()
    await scene.change()
    differing = await scene.disagreement()
    outcome.recoveries_s.append(time.monotonic() - healed)
    outcome.times += 1
    outcome.wrong += len(differing)
    outcome.notes += [f"differs: {each}" for each in differing[:_SHOWN]]
    left = await scene.come_to_rest(is_new=outcome.times == 1)
    if left:
        outcome.left.append(left)
    outcome.count(scene)
    missing = unproven(fault.signs, before, await scene.signs(registry), registry.kind if registry else "")
    outcome.unproven += bool(missing)
    outcome.notes += missing
