"""Sidecars on their way into the store."""

from collections.abc import Iterable
from datetime import UTC, datetime

from meshregistry.model.events import SidecarChanges
from meshregistry.model.policy import Territory
from meshregistry.model.rejects import Reject
from meshregistry.model.service_entry import Kind
from meshregistry.model.sidecar import Sidecar, SidecarPolicy, ValidatedSidecar, build_sidecar
from meshregistry.store.reject_ledger import RejectLedger
from meshregistry.store.sidecars import SidecarShelf
from meshregistry.store.store import SnapshotStore
from meshregistry.telemetry.metrics import Metrics
from meshregistry.wire.resource import Resource
from meshregistry.wire.sidecar import encode_sidecar

GONE = ValidatedSidecar(None)
REJECT = Reject("dubbo/a", "host_missing", "dubbo/a", "held back")


A, B = "dubbo/a.dubbo.generated", "dubbo/b.dubbo.generated"
CREATED = datetime(2100, 1, 1, tzinfo=UTC)


class Shelf:
    def __init__(self) -> None:
        self.metrics = Metrics()
        self.store = SnapshotStore([Kind.SIDECAR])
        self.rejects = RejectLedger(self.metrics)
        self.shelf = SidecarShelf(self.store, CREATED, self.rejects, self.metrics)

    def take(
        self,
        sidecars: dict[str, ValidatedSidecar],
        *,
        is_complete: bool = False,
        source: str = "zookeeper",
        territory: Territory | None = None,
    ) -> None:
        self.shelf.note(SidecarChanges(source, sidecars, is_complete), territory)
        self.shelf.commit()

    @property
    def reasons(self) -> list[str]:
        return [f"{reject.resource} {reject.reason} {reject.subject}" for reject in self.rejects.all()]

    @property
    def names(self) -> set[str]:
        return set(self.store.current.collection(Kind.SIDECAR).resources)

    @property
    def hosts(self) -> dict[str, tuple[str, ...]]:
        found = self.store.current.collection(Kind.SIDECAR).resources.values()
        return {each.name: each.record.egress[0].hosts for each in found if isinstance(each.record, Sidecar)}

    def count(self, name: str, source: str = "zookeeper") -> float | None:
        return self.metrics.registry.get_sample_value(f"meshregistry_sidecar_{name}", {"source": source})

    def counts(self) -> list[float | None]:
        """What is served of the two sources, and what they were seen to take away."""
        return [self.count(name, source) for name in ("total", "deletion") for source in ("files", "zookeeper")]


def made(application: str, *hosts: str) -> ValidatedSidecar:
    return build_sidecar(application, hosts, SidecarPolicy())


def restored(*sidecars: tuple[str, str]) -> list[Resource]:
    """What an earlier process served: application and the host it calls."""
    found = [made(*each).sidecar for each in sidecars]
    return [encode_sidecar(each, CREATED) for each in found if each]


def restarted(made_by: Iterable[str] = ("files", "zookeeper")) -> Shelf:
    """A shelf after a restart: `a` was made of consumers, `b` stands in a file."""
    shelf = Shelf()
    shelf.shelf.restore(restored(("a", "x.dubbo"), ("b", "y.dubbo")), made_by)
    return shelf


def test_sidecars_are_committed_counted_and_removed() -> None:
    shelf = Shelf()
    names = {"dubbo/a.dubbo.generated", "dubbo/b.dubbo.generated"}
    shelf.take({"dubbo/a.dubbo.generated": made("a", "x.dubbo"), "dubbo/b.dubbo.generated": made("b", "x.dubbo")})
    assert names == shelf.names
    shelf.take({"dubbo/a.dubbo.generated": made("a", "x.dubbo", "y.dubbo")})
    shelf.take({"dubbo/b.dubbo.generated": GONE})

    assert {"dubbo/a.dubbo.generated"} == shelf.names


def test_counts_follow_what_really_changed() -> None:
    shelf = Shelf()
    name = "dubbo/a.dubbo.generated"
    for hosts in (("x.dubbo",), ("x.dubbo",), ("y.dubbo",)):
        shelf.take({name: made("a", *hosts)})
    assert [1.0, 1.0, 1.0, None] == [shelf.count(each) for each in ("total", "creation", "update", "deletion")]
    shelf.take({name: GONE})
    shelf.take({name: GONE})
    assert [0.0, 1.0] == [shelf.count(each) for each in ("total", "deletion")]


def test_what_must_not_be_published_leaves_the_last_good_one_and_is_told() -> None:
    shelf = Shelf()
    name = "dubbo/a.dubbo.generated"
    shelf.take({name: made("a", "x.dubbo")})
    shelf.take({name: ValidatedSidecar(None, (REJECT,))})
    assert ({name}, [REJECT]) == (shelf.names, shelf.rejects.all())
    shelf.take({name: GONE})
    assert (set(), []) == (shelf.names, shelf.rejects.all())


def test_a_complete_update_removes_what_it_does_not_name() -> None:
    shelf = Shelf()
    shelf.take({"dubbo/a.dubbo.generated": made("a", "x.dubbo"), "dubbo/b.dubbo.generated": made("b", "x.dubbo")})
    shelf.take({"dubbo/b.dubbo.generated": made("b", "x.dubbo")}, is_complete=True)
    assert {"dubbo/b.dubbo.generated"} == shelf.names


def test_a_complete_update_of_one_source_leaves_those_of_another() -> None:
    shelf = Shelf()
    shelf.take({"dubbo/a.dubbo.generated": made("a", "x.dubbo")}, is_complete=True)
    shelf.take({"dubbo/b.dubbo.generated": made("b", "x.dubbo")}, is_complete=True, source="files")
    shelf.take({}, is_complete=True)
    assert {"dubbo/b.dubbo.generated"} == shelf.names


def test_nothing_new_is_no_commit() -> None:
    shelf = Shelf()
    shelf.take({}, is_complete=True)
    assert 0 == shelf.store.current.sequence


def test_a_sidecar_outside_the_sources_territory_is_not_served_and_told() -> None:
    shelf = Shelf()
    name = "dubbo/a.dubbo.generated"
    shelf.take({name: made("a", "x.dubbo")}, territory=Territory(namespaces=("dubbo",)))
    assert ({name}, []) == (shelf.names, shelf.reasons)

    shelf.take({name: made("a", "x.dubbo")}, territory=Territory(namespaces=("shop",)))

    assert (set(), [f"{name} namespace_denied dubbo"]) == (shelf.names, shelf.reasons)


def test_the_hosts_of_a_territory_say_nothing_of_what_a_sidecar_may_reach() -> None:
    shelf = Shelf()
    shelf.take({"dubbo/a.dubbo.generated": made("a", "x.dubbo")}, territory=Territory(hosts=("*.shop",)))
    assert ({"dubbo/a.dubbo.generated"}, []) == (shelf.names, shelf.reasons)


def test_a_sidecar_outside_the_territory_takes_none_away_from_another_source() -> None:
    shelf = Shelf()
    sidecars = {"dubbo/a.dubbo.generated": made("a", "x.dubbo")}
    shelf.take(sidecars)
    shelf.take(sidecars, source="files", territory=Territory(namespaces=("shop",)))
    assert set(sidecars) == shelf.names


def test_what_was_told_of_a_sidecar_goes_with_it() -> None:
    shelf = Shelf()
    sidecars = {"dubbo/a.dubbo.generated": made("a", "x.dubbo")}
    shelf.take(sidecars, is_complete=True, territory=Territory(namespaces=("shop",)))
    assert 1 == len(shelf.reasons)

    shelf.take({}, is_complete=True)

    assert [] == shelf.reasons


def test_after_a_restart_no_source_takes_away_what_another_made_that_has_not_spoken_yet() -> None:
    for first, second in (("files", "zookeeper"), ("zookeeper", "files")):
        shelf = restarted()
        own = {"zookeeper": {A: made("a", "x.dubbo")}, "files": {B: made("b", "y.dubbo")}}
        before = shelf.store.current.sequence
        shelf.take(own[first], is_complete=True, source=first)
        assert {A, B} == shelf.names
        shelf.take(own[second], is_complete=True, source=second)
        assert ({A: ("*/x.dubbo",), B: ("*/y.dubbo",)}, before) == (shelf.hosts, shelf.store.current.sequence)
        assert [1.0, 1.0, None, None] == shelf.counts()

        shelf.take({}, is_complete=True)
        assert ({B}, [1.0, 0.0, None, 1.0]) == (shelf.names, shelf.counts())


def test_after_a_restart_what_nobody_names_goes_when_every_source_has_told_all_of_its_own() -> None:
    shelf = restarted()
    shelf.take({A: made("a", "x.dubbo")})
    shelf.take({}, is_complete=True, source="files")
    assert {A, B} == shelf.names

    shelf.take({A: made("a", "x.dubbo")}, is_complete=True)

    assert ({A}, [0.0, 1.0, None, 1.0]) == (shelf.names, shelf.counts())


def test_after_a_restart_a_source_that_makes_none_is_not_waited_for() -> None:
    shelf = restarted(["zookeeper"])
    shelf.take({A: made("a", "z.dubbo")}, is_complete=True)
    assert {A: ("*/z.dubbo",)} == shelf.hosts


def test_after_a_restart_what_must_not_be_published_leaves_what_was_served_to_its_source() -> None:
    shelf = restarted()
    shelf.take({A: ValidatedSidecar(None, (REJECT,))}, is_complete=True)
    shelf.take({B: made("b", "y.dubbo")}, is_complete=True, source="files")
    assert ({A: ("*/x.dubbo",), B: ("*/y.dubbo",)}, [REJECT]) == (shelf.hosts, shelf.rejects.all())

    shelf.take({}, is_complete=True)

    assert ({B}, []) == (shelf.names, shelf.rejects.all())


def test_what_people_wrote_is_served_whoever_speaks_last_and_what_was_made_when_it_is_gone() -> None:
    shelf = Shelf()
    shelf.take({A: made("a", "x.dubbo")})
    shelf.take({A: made("a", "written.dubbo")}, is_complete=True, source="files")
    shelf.take({A: made("a", "z.dubbo")})
    assert ({A: ("*/written.dubbo",)}, [1.0, 0.0, None, None]) == (shelf.hosts, shelf.counts())

    shelf.take({}, is_complete=True, source="files")
    assert ({A: ("*/z.dubbo",)}, [0.0, 1.0, None, None]) == (shelf.hosts, shelf.counts())
    shelf.take({A: GONE}, source="files")
    assert {A} == shelf.names

    shelf.take({A: GONE})
    assert (set(), [0.0, 0.0, None, 1.0]) == (shelf.names, shelf.counts())


def test_what_is_told_of_one_source_stays_when_another_has_a_good_one_of_that_name() -> None:
    shelf = Shelf()
    shelf.take({A: ValidatedSidecar(None, (REJECT,))})
    shelf.take({A: made("a", "written.dubbo")}, is_complete=True, source="files")
    assert ({A: ("*/written.dubbo",)}, [REJECT]) == (shelf.hosts, shelf.rejects.all())

    shelf.take({}, is_complete=True, source="files")
    assert ({}, [REJECT]) == (shelf.hosts, shelf.rejects.all())
    shelf.take({A: made("a", "x.dubbo")})
    assert ({A: ("*/x.dubbo",)}, []) == (shelf.hosts, shelf.rejects.all())
