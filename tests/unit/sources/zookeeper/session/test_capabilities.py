"""What servers refused is remembered for ten minutes, per server."""

from meshregistry.sources.zookeeper.session.capabilities import FORGET_AFTER_S, Capabilities


def test_a_server_is_asked_until_it_refuses_and_again_after_ten_minutes() -> None:
    capabilities = Capabilities()
    assert capabilities.has_lasting_watches("a", 0.0)
    capabilities.refused("a", 0.0)
    assert not capabilities.has_lasting_watches("a", FORGET_AFTER_S - 0.1)
    assert capabilities.has_lasting_watches("b", 1.0)
    assert capabilities.has_lasting_watches("a", FORGET_AFTER_S)


def test_three_closed_connections_in_a_row_are_a_refusal() -> None:
    capabilities = Capabilities()
    capabilities.closed("a", 0.0)
    capabilities.closed("a", 1.0)
    assert capabilities.has_lasting_watches("a", 1.0)
    capabilities.closed("a", 2.0)
    assert not capabilities.has_lasting_watches("a", 2.0)


def test_an_answer_ends_the_row() -> None:
    capabilities = Capabilities()
    capabilities.closed("a", 0.0)
    capabilities.closed("a", 1.0)
    capabilities.granted("a")
    capabilities.closed("a", 2.0)
    assert capabilities.has_lasting_watches("a", 2.0)
