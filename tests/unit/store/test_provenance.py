"""What a world may claim to know, and by which settings it was made."""

from meshregistry.model.events import SourceSynced
from meshregistry.store.provenance import Made, Provenance

NOW = {"eureka": "E", "nacos": "N", "zookeeper": "Z"}


def test_only_what_was_read_or_restored_is_known_and_of_the_rest_only_what_contributes_is_told() -> None:
    provenance = Provenance()
    provenance.restore(("zookeeper",))
    provenance.confirm(SourceSynced("nacos"))
    provenance.confirm(SourceSynced("eureka", "wait_time"))

    assert Made({"nacos": "N", "zookeeper": "Z"}, {"eureka": "E"}) == provenance.tell(NOW, {"eureka", "files"})
    assert Made({"nacos": "N", "zookeeper": "Z"}, {}) == provenance.tell(NOW, {"nacos"})


def test_a_restarted_source_is_as_known_as_before_under_the_settings_of_before_until_it_is_read() -> None:
    provenance = Provenance()
    provenance.confirm(SourceSynced("nacos"))
    for former in ("before", "in between"):
        provenance.expect("nacos", former)
        provenance.expect("eureka", former)
    assert Made({"nacos": "before"}, {"eureka": "before"}) == provenance.tell(NOW, {"eureka"})

    provenance.confirm(SourceSynced("nacos"))
    assert {"nacos": "N"} == provenance.tell(NOW, ()).known


def test_a_source_that_is_switched_off_is_known_no_more() -> None:
    provenance = Provenance()
    provenance.restore(("nacos",))
    provenance.forget(("nacos",))

    assert Made({}, {"nacos": "N"}) == provenance.tell(NOW, {"nacos"})
