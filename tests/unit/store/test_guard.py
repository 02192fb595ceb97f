"""The guard: when the last endpoints go, when an entry goes, how long an unused port stays."""

import msgspec

from meshregistry.model.service_entry import ServiceEntry, ServicePort, WorkloadEntry
from meshregistry.store.guard import EMPTIED_LABEL, Decision, GuardPolicy, History, Rule, decide

POLICY = GuardPolicy(empty_grace_s=10, delete_after_s=600, port_grace_s=300)
PORT = ServicePort(8080, "HTTP", "http-8080")
OTHER_PORT = ServicePort(9090, "HTTP", "http-9090")


def endpoint(address: str, **ports: int) -> WorkloadEntry:
    return WorkloadEntry(address, tuple(sorted((name.replace("_", "-"), port) for name, port in ports.items())))


FIRST = endpoint("10.0.0.1", http_8080=8080)
SECOND = endpoint("10.0.0.2", http_8080=8080)


def entry(*endpoints: WorkloadEntry, ports: tuple[ServicePort, ...] = (PORT,)) -> ServiceEntry:
    return ServiceEntry(
        "nacos", "orders.nacos", ("orders.nacos",), ports=ports, endpoints=endpoints, labels=(("registry", "nacos"),)
    )


def served(first: ServiceEntry, now: float = 0.0) -> History:
    history = decide(None, first, now, POLICY).history
    assert history is not None
    return history


def test_an_unclaimed_resource_that_was_never_served_stays_absent() -> None:
    assert Decision(None, None) == decide(None, None, 0.0, POLICY)


def test_an_entry_without_endpoints_that_never_had_any_is_not_published() -> None:
    assert Decision(None, None) == decide(None, entry(), 0.0, POLICY)


def test_endpoints_are_served_at_once_and_nothing_else_is_due() -> None:
    decision = decide(None, entry(FIRST), 5.0, POLICY)

    assert entry(FIRST) == decision.entry
    assert decision.wake_at is None
    assert decision.rule is None


def test_one_of_two_endpoints_leaves_at_once() -> None:
    decision = decide(served(entry(FIRST, SECOND)), entry(SECOND), 1.0, POLICY)

    assert entry(SECOND) == decision.entry
    assert decision.rule is None


def test_last_endpoints_stay_for_the_grace_time() -> None:
    decision = decide(served(entry(FIRST)), None, 100.0, POLICY)

    assert (entry(FIRST), 110.0, Rule.EMPTY_GRACE) == (decision.entry, decision.wake_at, decision.rule)


def test_grace_counts_from_the_first_empty_reading() -> None:
    first = decide(served(entry(FIRST)), None, 100.0, POLICY)

    again = decide(first.history, entry(), 109.0, POLICY)

    assert (entry(FIRST), 110.0) == (again.entry, again.wake_at)


def test_a_return_within_the_grace_is_no_change_at_all() -> None:
    gone = decide(served(entry(FIRST)), None, 100.0, POLICY)

    back = decide(gone.history, entry(FIRST), 105.0, POLICY)

    assert Decision(entry(FIRST), served(entry(FIRST))) == back


def test_after_the_grace_the_entry_is_emptied_with_a_service_level_change() -> None:
    gone = decide(served(entry(FIRST)), None, 100.0, POLICY)

    emptied = decide(gone.history, None, 110.0, POLICY)

    assert msgspec.structs.replace(entry(), labels=(EMPTIED_LABEL, ("registry", "nacos"))) == emptied.entry
    assert (710.0, Rule.EMPTIED) == (emptied.wake_at, emptied.rule)


def test_without_marking_only_the_endpoints_go() -> None:
    policy = GuardPolicy(empty_grace_s=0, delete_after_s=600, port_grace_s=0, mark_emptied=False)

    assert entry() == decide(served(entry(FIRST)), None, 1.0, policy).entry


def test_an_emptied_entry_is_removed_after_its_time_and_forgotten() -> None:
    gone = decide(served(entry(FIRST)), None, 100.0, POLICY)

    assert Decision(None, None) == decide(gone.history, None, 710.0, POLICY)


def test_an_emptied_entry_comes_back_without_the_mark() -> None:
    gone = decide(served(entry(FIRST)), None, 100.0, POLICY)
    emptied = decide(gone.history, None, 200.0, POLICY)

    assert entry(SECOND) == decide(emptied.history, entry(SECOND), 300.0, POLICY).entry


def test_without_grace_the_last_endpoint_leaves_at_once() -> None:
    decision = decide(served(entry(FIRST)), None, 1.0, GuardPolicy(empty_grace_s=0, delete_after_s=0))

    assert Decision(None, None) == decision


def test_what_belongs_to_another_service_is_not_kept_by_grace() -> None:
    history = served(entry(FIRST, SECOND))

    first = decide(history, None, 100.0, POLICY, lost=frozenset({("10.0.0.1", 8080), ("10.0.0.9", 8080)}))
    assert (entry(SECOND), 110.0, Rule.EMPTY_GRACE) == (first.entry, first.wake_at, first.rule)

    last = decide(first.history, None, 104.0, POLICY, lost=frozenset({("10.0.0.2", 8080)}))
    assert last.entry is not None
    assert ((), 704.0, Rule.EMPTIED) == (last.entry.endpoints, last.wake_at, last.rule)
    assert Decision(None, None) == decide(last.history, None, 704.0, POLICY)


def test_what_belonged_to_another_service_when_it_was_emptied_does_not_begin_its_time_anew() -> None:
    emptied = decide(decide(served(entry(FIRST)), None, 100.0, POLICY).history, None, 200.0, POLICY)

    later = decide(emptied.history, None, 300.0, POLICY, lost=frozenset({("10.0.0.1", 8080)}))

    assert (710.0, Rule.EMPTIED) == (later.wake_at, later.rule)


def test_an_endpoint_is_known_by_its_own_port_behind_kept_ones() -> None:
    kept = entry(endpoint("10.0.0.1", a_9090=9090, http_8080=8080))

    decision = decide(served(kept), None, 1.0, POLICY, lost=frozenset({("10.0.0.1", 8080)}))

    assert Rule.EMPTIED is decision.rule


def test_a_quarantined_resource_keeps_its_last_good_form() -> None:
    history = served(entry(FIRST))

    decision = decide(history, None, 1000.0, POLICY, quarantined=True)

    assert Decision(entry(FIRST), history, None, Rule.QUARANTINE) == decision


def test_a_quarantined_resource_without_a_good_form_is_not_published() -> None:
    assert Decision(None, None) == decide(None, None, 0.0, POLICY, quarantined=True)


def test_a_port_outlives_its_last_instance_so_that_churn_stays_an_endpoint_change() -> None:
    both = entry(
        endpoint("10.0.0.1", http_8080=8080, http_9090=8080),
        endpoint("10.0.0.2", http_8080=9090, http_9090=9090),
        ports=(PORT, OTHER_PORT),
    )

    decision = decide(served(both), entry(FIRST), 50.0, POLICY)

    assert decision.entry is not None
    assert (PORT, OTHER_PORT) == decision.entry.ports
    assert (both.endpoints[0],) == decision.entry.endpoints
    assert decision.wake_at == 350.0


def test_an_unused_port_goes_after_its_grace() -> None:
    both = entry(endpoint("10.0.0.1", http_8080=8080, http_9090=8080), ports=(PORT, OTHER_PORT))
    kept = decide(served(both), entry(FIRST), 50.0, POLICY)

    later = decide(kept.history, entry(FIRST), 350.0, POLICY)

    assert entry(FIRST) == later.entry
    assert later.wake_at is None


def test_a_port_in_use_again_is_no_longer_idle() -> None:
    both = entry(endpoint("10.0.0.1", http_8080=8080, http_9090=8080), ports=(PORT, OTHER_PORT))
    kept = decide(served(both), entry(FIRST), 50.0, POLICY)

    again = decide(kept.history, both, 60.0, POLICY)

    assert (both, None) == (again.entry, again.wake_at)


def test_a_kept_port_gives_way_to_a_new_protocol_on_its_number() -> None:
    both = entry(endpoint("10.0.0.1", http_8080=8080, http_9090=8080), ports=(PORT, OTHER_PORT))
    retyped = ServicePort(9090, "TCP", "tcp-9090")
    now = entry(endpoint("10.0.0.1", http_8080=8080, tcp_9090=8080), ports=(PORT, retyped))

    assert now == decide(served(both), now, 50.0, POLICY).entry


def test_kept_ports_never_make_more_than_an_entry_may_have() -> None:
    """A service that restarts on another port each second keeps the ports that became idle last."""
    history: History | None = None
    for number in range(150):
        port = ServicePort(9000 + number, "HTTP", f"http-{9000 + number}")
        fresh = WorkloadEntry("10.0.0.1", ((port.name, port.number),))
        decision = decide(history, entry(fresh, ports=(port,)), float(number), POLICY)
        history = decision.history

    assert decision.entry is not None
    assert list(range(9050, 9150)) == [port.number for port in decision.entry.ports]
    assert [100] == [len(endpoint.ports) for endpoint in decision.entry.endpoints]


def test_an_entry_that_has_no_endpoints_by_nature_is_served_and_goes_like_any_other() -> None:
    decision = decide(None, entry(), 0.0, POLICY, standing=True)

    assert (entry(), None, None) == (decision.entry, decision.wake_at, decision.rule)
    assert Rule.EMPTY_GRACE is decide(decision.history, None, 1.0, POLICY).rule


def test_an_entry_that_loses_the_endpoints_of_others_keeps_them_for_the_grace() -> None:
    history = served(entry(endpoint("10.0.0.1")))

    waiting = decide(history, entry(), 1.0, POLICY, standing=True)
    assert (Rule.EMPTY_GRACE, history.served) == (waiting.rule, waiting.entry)
    after = decide(waiting.history, entry(), 1.0 + POLICY.empty_grace_s, POLICY, standing=True)
    assert (None, entry()) == (after.rule, after.entry)


def test_a_kept_port_reaches_the_port_that_speaks_its_protocol() -> None:
    grpc = ServicePort(9000, "GRPC", "grpc-9000")
    both = endpoint("10.0.0.1", grpc_9000=9000, http_8080=8080, http_9090=8080)
    first = entry(both, endpoint("10.0.0.2", grpc_9000=9000, http_8080=9090), ports=(PORT, grpc, OTHER_PORT))
    left = entry(endpoint("10.0.0.1", grpc_9000=9000, http_8080=8080), ports=(PORT, grpc))

    decision = decide(served(first), left, 1.0, POLICY)

    assert decision.entry is not None
    assert (both,) == decision.entry.endpoints
