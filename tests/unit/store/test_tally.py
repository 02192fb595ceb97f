"""What a commit did is told by Slime's metrics and by ours."""

import msgspec

from meshregistry.model.service_entry import Kind
from meshregistry.store.snapshot import Change
from meshregistry.store.store import SnapshotStore
from meshregistry.store.tally import count_commit
from meshregistry.telemetry.metrics import Metrics
from tests.support.http_pages import ENCODER, ORDERS, STOCK


def test_each_kind_of_change_is_counted_for_its_registry() -> None:
    metrics, store = Metrics(), SnapshotStore([Kind.SERVICE_ENTRY])
    changed = msgspec.structs.replace(ORDERS, endpoints=ORDERS.endpoints[:1])
    for upserts, removals in (([ORDERS, STOCK], []), ([changed], []), ([], ["nacos/stock.nacos"])):
        before = store.current.collection(Kind.SERVICE_ENTRY).resources
        change = store.commit(Kind.SERVICE_ENTRY, map(ENCODER.encode, upserts), removals)
        assert isinstance(change, Change)
        count_commit(metrics, change, before, store.current.collection(Kind.SERVICE_ENTRY).resources)

    read = metrics.registry.get_sample_value
    source = {"source": "nacos"}
    assert [2.0, 1.0, 1.0, 1.0] == [
        read(f"meshregistry_service_entry_{name}", source) for name in ("creation", "update", "deletion", "total")
    ]
    assert [2.0, 1.0, 1.0] == [
        read(
            "meshregistry_source_event_count",
            {**source, "config_type": "ServiceEntry", "event_type": each, "status": "true"},
        )
        for each in ("Added", "Updated", "Deleted")
    ]
    assert 3.0 == read("meshregistry_mcp_push_count")
