"""Sidecars on their way into the store."""

from datetime import UTC, datetime

from meshregistry.model.events import SidecarChanges
from meshregistry.model.policy import Territory
from meshregistry.model.rejects import Reject
from meshregistry.model.service_entry import Kind
from meshregistry.model.sidecar import SidecarPolicy, ValidatedSidecar, build_sidecar
from meshregistry.store.reject_ledger import RejectLedger
from meshregistry.store.sidecars import SidecarShelf
from meshregistry.store.store import SnapshotStore
from meshregistry.telemetry.metrics import Metrics

GONE = ValidatedSidecar(None)
REJECT = Reject("dubbo/a", "host_missing", "dubbo/a", "held back")


class Shelf:
    def __init__(self) -> None:
        self.metrics = Metrics()
        self.store = SnapshotStore([Kind.SIDECAR])
        self.rejects = RejectLedger(self.metrics)
        self.shelf = SidecarShelf(self.store, datetime(2100, 1, 1, tzinfo=UTC), self.rejects, self.metrics)

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

    def count(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"meshregistry_sidecar_{name}", {"source": "zookeeper"})


def made(application: str, *hosts: str) -> ValidatedSidecar:
    return build_sidecar(application, hosts, SidecarPolicy())


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
