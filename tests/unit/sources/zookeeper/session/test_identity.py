"""Which session is asked for next."""

from meshregistry.sources.zookeeper.session.greeting import Ticket, Verdict, Welcome
from meshregistry.sources.zookeeper.session.identity import Identity

GRANTED = Welcome(Verdict.ACCEPTED, 4.0, 5, b"p" * 16)


def connected_once(last_zxid: int = 77) -> Identity:
    identity = Identity(30.0)
    identity.accepted(GRANTED)
    identity.used()
    identity.lost(last_zxid, 100.0)
    return identity


def test_a_first_session_is_new_and_has_the_servers_timeout() -> None:
    identity = Identity(30.0)
    assert Ticket() == identity.ticket
    identity.accepted(GRANTED)
    assert (4.0, True) == (identity.timeout_s, identity.used())


def test_a_resumed_session_is_not_new() -> None:
    identity = connected_once()
    assert Ticket(5, b"p" * 16, 77) == identity.ticket
    identity.accepted(GRANTED)
    assert not identity.used()


def test_an_expired_session_leaves_only_what_was_seen() -> None:
    identity = connected_once()
    identity.expired()
    assert Ticket(last_zxid=77) == identity.ticket
    identity.accepted(GRANTED._replace(session_id=6))
    assert identity.used()


def test_a_session_that_was_granted_and_never_used_is_new_when_it_is() -> None:
    identity = connected_once()
    identity.expired()
    identity.accepted(GRANTED._replace(session_id=6))
    identity.accepted(GRANTED._replace(session_id=6))
    assert [True, False] == [identity.used(), identity.used()]


def test_what_was_seen_never_goes_back() -> None:
    identity = connected_once()
    identity.lost(12, 101.0)
    assert 77 == identity.ticket.last_zxid


def test_a_server_that_closes_costs_the_session_only_after_its_timeout() -> None:
    identity = connected_once()
    assert not identity.unanswered(104.0)
    assert Ticket(5, b"p" * 16, 77) == identity.ticket
    assert identity.unanswered(104.1)
    assert Ticket() == identity.ticket
    assert not identity.unanswered(200.0), "there is nothing left to forget"


def test_a_session_that_never_was_cannot_be_forgotten() -> None:
    assert not Identity(30.0).unanswered(1e9)
