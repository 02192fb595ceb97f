"""What is dropped right now, by whom it came."""

from meshregistry.model.instance import Scope, ServiceKey
from meshregistry.model.rejects import Reject
from meshregistry.store.reject_ledger import RejectLedger
from meshregistry.telemetry.metrics import Metrics

ORDERS, USERS = (Scope("zookeeper", "", "dubbo", interface) for interface in ("com.acme.Orders", "com.acme.Users"))
BAD = Reject("dubbo/a", "label_value", "zone", "'a b' is no label; dropped")
WORSE = Reject("dubbo/a", "port_range", "10.0.0.1:0", "no such port; endpoint dropped")


def count(metrics: Metrics, reason: str) -> float | None:
    return metrics.registry.get_sample_value("meshregistry_rejects", {"reason": reason})


def test_a_scope_has_the_rejects_of_its_own_services_while_they_last() -> None:
    metrics = Metrics()
    ledger = RejectLedger(metrics)
    ledger.replace(ServiceKey(ORDERS, "a"), (BAD,))
    ledger.replace(ServiceKey(ORDERS, "b"), (BAD, WORSE))
    ledger.replace(ServiceKey(USERS, "c"), (WORSE,))
    ledger.replace("dubbo/a", (WORSE,))
    assert [{"a", "b"}, {"c"}] == [ledger.names(scope) for scope in (ORDERS, USERS)]
    assert (2, 3) == (count(metrics, "label_value"), count(metrics, "port_range"))

    ledger.replace(ServiceKey(ORDERS, "a"), (WORSE,))
    ledger.replace(ServiceKey(ORDERS, "b"), ())
    ledger.replace(ServiceKey(USERS, "c"), ())
    ledger.replace(ServiceKey(USERS, "never"), ())
    assert [{"a"}, set()] == [ledger.names(scope) for scope in (ORDERS, USERS)]
    assert [WORSE, WORSE] == ledger.all()
    assert (0, 2) == (count(metrics, "label_value"), count(metrics, "port_range"))


def test_what_a_scope_is_told_to_have_stays_as_it_was_told() -> None:
    ledger = RejectLedger(Metrics())
    ledger.replace(ServiceKey(ORDERS, "a"), (BAD,))
    told = ledger.names(ORDERS)
    ledger.replace(ServiceKey(ORDERS, "a"), ())
    assert {"a"} == told
