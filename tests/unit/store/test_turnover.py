"""Which scopes a changed configuration takes away."""

from meshregistry.model.events import SourceSynced
from meshregistry.model.instance import Scope
from meshregistry.store.turnover import Turnover

KEPT = Scope("nacos", "", "public", "A")
GONE = Scope("nacos", "", "public", "B")
OTHER = Scope("eureka", "", "", "")


def test_what_a_restarted_source_does_not_speak_of_is_gone_once_it_is_read() -> None:
    turnover = Turnover()
    turnover.expect("nacos", (KEPT, GONE, OTHER))
    turnover.hear(KEPT)

    assert frozenset() == turnover.confirm(SourceSynced("nacos", "wait_time"))
    assert {GONE} == turnover.confirm(SourceSynced("nacos"))
    assert frozenset() == turnover.confirm(SourceSynced("nacos"))
    assert frozenset() == turnover.confirm(SourceSynced("eureka"))


def test_a_statement_without_a_group_is_about_every_group_of_its_namespace() -> None:
    turnover = Turnover()
    interfaces = (Scope("zookeeper", "", "dubbo", "a.B"), Scope("zookeeper", "", "dubbo", "a.C"))
    turnover.expect("zookeeper", (*interfaces, Scope("zookeeper", "", "services", "")))
    turnover.hear(Scope("zookeeper", "", "dubbo", ""))

    assert {Scope("zookeeper", "", "services", "")} == turnover.confirm(SourceSynced("zookeeper"))


def test_a_withdrawn_scope_is_one_until_it_is_heard_of_again() -> None:
    turnover = Turnover()
    turnover.expect("nacos", (KEPT, GONE))
    turnover.withdraw((GONE,))

    assert {GONE} == turnover.withdrawn
    assert {KEPT} == turnover.confirm(SourceSynced("nacos"))

    turnover.hear(GONE)
    assert not turnover.withdrawn
