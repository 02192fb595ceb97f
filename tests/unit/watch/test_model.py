"""The store rules of istiod's configuration client."""

from dataclasses import replace

import pytest

from meshregistry.watch.codec import Codec, IstiodCodec
from meshregistry.watch.families import FAMILIES, ISTIOD_124, MESH_CONFIG, Family
from meshregistry.watch.model import Action, ConfigKey, Handled, IstiodModel
from meshregistry.watch.resources import DecodedResource, Node, OpaqueSpec, ResourceMetadata
from tests.support.pb2_decoder import Pb2Codec
from tests.support.watch_builders import (
    SERVICE_ENTRY_URL,
    McpEntry,
    full,
    resource,
    response,
    response_bytes,
    service_entry,
    stub,
)

ORDERS = ConfigKey("ServiceEntry", "demo", "orders")
PAYMENTS = ConfigKey("ServiceEntry", "demo", "payments")
NOW_NS = 1_795_368_514_889_820_469

both_codecs = pytest.mark.parametrize("codec", [IstiodCodec(), Pb2Codec()], ids=["istiod", "pb2"])


def new_model(family: Family = ISTIOD_124, revision: str = "") -> IstiodModel:
    """A model whose clock stands still."""
    return IstiodModel(family, Node(revision=revision), clock_ns=lambda: NOW_NS)


def actions(handled: Handled) -> list[Action]:
    """What happened, in order."""
    return [event.action for event in handled.events]


def versions(model: IstiodModel) -> dict[ConfigKey, str]:
    """What is stored, as istiod's configz shows it."""
    return {key: config.version for key, config in model.configs.items()}


class TestRequests:
    @pytest.mark.parametrize("family", FAMILIES.values())
    def test_initial_requests_carry_a_clock_text_as_nonce_and_one_node(self, family: Family) -> None:
        requests = new_model(family).initial_requests()
        assert list(family.types) == [request.type_url for request in requests]
        assert "2026-11-22 17:28:34.889820469 +0000 UTC m=+0.000000000" == requests[0].response_nonce
        assert len(requests) == len({request.response_nonce for request in requests})
        assert {""} == {request.version_info for request in requests}
        assert requests[0].node is not None
        assert {None} == {request.node for request in requests[1:]}

    def test_requests_after_a_reconnect_are_first_requests_again(self) -> None:
        model = new_model()
        first = model.initial_requests()
        model.handle(response(resource()))
        assert first == model.initial_requests()

    def test_ack_echoes_version_and_nonce_with_the_full_node(self) -> None:
        model = new_model()
        ack = model.handle(response(resource(), nonce="n7")).ack
        assert ack is not None
        assert (SERVICE_ENTRY_URL, "v1", "n7") == (ack.type_url, ack.version_info, ack.response_nonce)
        assert model.node == ack.node
        assert "" == ack.error

    def test_rejected_resources_are_acknowledged_too(self) -> None:
        handled = new_model().handle(response(resource(spec=service_entry(hosts=("*",)))))
        assert [Action.INVALID] == actions(handled)
        assert handled.ack is not None
        assert "" == handled.ack.error

    def test_mesh_config_with_a_resource_is_not_acknowledged(self) -> None:
        assert new_model().handle(response(resource(), type_url=MESH_CONFIG)).ack is None

    def test_empty_mesh_config_is_acknowledged(self) -> None:
        assert new_model().handle(response(type_url=MESH_CONFIG)).ack is not None

    def test_debug_types_are_not_acknowledged(self) -> None:
        assert new_model().handle(response(type_url="istio.io/debug/syncz")).ack is None

    def test_an_unknown_type_is_acknowledged_and_dropped(self) -> None:
        model = new_model()
        handled = model.handle(response(resource(), type_url="networking.istio.io/v1alpha3/ServiceEntry"))
        assert handled.ack is not None
        assert () == handled.events
        assert {} == model.configs
        assert 1 == model.counters.unknown_types


class TestSync:
    def test_one_answer_for_each_type_but_mesh_config_completes_the_sync(self) -> None:
        model = new_model()
        edges = [model.handle(response(type_url=type_url)).completed_sync for type_url in ISTIOD_124.gating_types]
        assert [False] * 13 + [True] == edges
        assert model.synced
        assert not model.handle(response(type_url=SERVICE_ENTRY_URL)).completed_sync

    def test_one_withheld_type_holds_the_sync(self) -> None:
        model = new_model()
        for type_url in ISTIOD_124.types:
            if type_url != SERVICE_ENTRY_URL:
                model.handle(response(type_url=type_url))
        assert not model.synced
        assert (SERVICE_ENTRY_URL,) == model.missing_types

    def test_an_answer_under_another_api_version_does_not_count(self) -> None:
        model = new_model()
        for type_url in ISTIOD_124.gating_types:
            model.handle(response(type_url=type_url.replace("/v1/ServiceEntry", "/v1alpha3/ServiceEntry")))
        assert (SERVICE_ENTRY_URL,) == model.missing_types

    def test_rejected_content_counts_as_an_answer(self) -> None:
        model = new_model()
        model.handle(response(resource(spec=service_entry(hosts=()))))
        assert SERVICE_ENTRY_URL not in model.missing_types


class TestHandleMcp:
    """The cases of istiod's TestADSC_handleMCP, one after another on one store."""

    def test_replay(self) -> None:
        model = new_model(revision="rev1")
        expected: dict[ConfigKey, str] = {ORDERS: "1"}

        model.handle(response(resource()))
        assert expected == versions(model), "create"

        model.handle(response(resource(labels={"istio.io/rev": "rev2"})))
        assert {} == versions(model), "another revision removes"

        model.handle(response(resource(labels={"istio.io/rev": "rev1"})))
        assert expected == versions(model), "the own revision restores"

        model.handle(response(resource(version="2", spec=service_entry(hosts=("two.nacos",)))))
        assert {ORDERS: "2"} == versions(model), "a new version updates"

        model.handle(response(resource(version="2", spec=service_entry(hosts=("three.nacos",)))))
        assert service_entry(hosts=("two.nacos",)) == model.configs[ORDERS].spec, "an equal version is ignored"

        model.handle(response(resource(version="", spec=service_entry(hosts=("four.nacos",)))))
        assert service_entry(hosts=("four.nacos",)) == model.configs[ORDERS].spec, "an empty version is applied"

        model.handle(response(resource(version="1", spec=service_entry(hosts=("five.nacos",)))))
        assert {ORDERS: "1"} == versions(model), "a lower version is applied"
        assert service_entry(hosts=("five.nacos",)) == model.configs[ORDERS].spec

        model.handle(response(resource(), resource("demo/payments")))
        assert {ORDERS: "1", PAYMENTS: "1"} == versions(model), "a second one"

        model.handle(response(resource("demo/payments")))
        assert {PAYMENTS: "1"} == versions(model), "absence deletes"


class TestRules:
    def test_an_equal_version_is_skipped(self) -> None:
        model = new_model()
        model.handle(response(resource()))
        assert [Action.SKIPPED] == actions(model.handle(response(resource())))

    def test_an_empty_version_always_updates_and_leaves_a_mark(self) -> None:
        model = new_model()
        assert [Action.CREATED] == actions(model.handle(response(resource(version=""))))
        assert [Action.UPDATED] == actions(model.handle(response(resource(version=""))))
        assert [Action.UPDATED] == actions(model.handle(response(resource(version=""))))
        assert {"ResourceVersion": ""} == model.configs[ORDERS].annotations
        assert {ORDERS: "2026-11-22 17:28:34.889820469 +0000 UTC m=+0.000000000"} == versions(model)

    def test_the_annotation_called_resource_version_is_not_compared(self) -> None:
        model = new_model()
        model.handle(response(resource(annotations={"ResourceVersion": "a"})))
        assert [Action.SKIPPED] == actions(model.handle(response(resource(annotations={"ResourceVersion": "b"}))))

    def test_a_refused_update_keeps_the_old_content_and_is_tried_again(self) -> None:
        model = new_model()
        model.handle(response(resource()))
        bad = response(resource(version="2", spec=service_entry(hosts=("*",))))
        for _ in range(2):
            (event,) = model.handle(bad).events
            assert (Action.INVALID, "invalid host *") == (event.action, event.reason)
            assert {ORDERS: "1"} == versions(model)

    def test_a_refused_create_stores_nothing(self) -> None:
        model = new_model()
        assert [Action.INVALID] == actions(model.handle(response(resource(spec=service_entry(hosts=("*",))))))
        assert {} == model.configs

    def test_deletes_come_last(self) -> None:
        model = new_model()
        model.handle(response(resource()))
        handled = model.handle(response(resource("demo/payments")))
        assert [Action.CREATED, Action.DELETED] == actions(handled)
        assert [PAYMENTS, ORDERS] == [event.key for event in handled.events]

    def test_of_two_entries_of_one_name_the_later_wins_and_both_happen(self) -> None:
        model = new_model()
        handled = model.handle(response(resource(version="1"), resource(version="2")))
        assert [Action.CREATED, Action.UPDATED] == actions(handled)
        assert {ORDERS: "2"} == versions(model)

    def test_absence_deletes_only_in_its_kind(self) -> None:
        model = new_model()
        model.handle(response(resource()))
        sidecar = DecodedResource(
            ResourceMetadata("demo/orders", "1"),
            OpaqueSpec("istio.networking.v1alpha3.Sidecar", b"\x1a\x05\x22\x03*/*"),
        )
        model.handle(response(sidecar, type_url="networking.istio.io/v1/Sidecar"))
        model.handle(response(type_url="networking.istio.io/v1/Gateway"))
        assert {ORDERS, ConfigKey("Sidecar", "demo", "orders")} == set(model.configs)

    @pytest.mark.parametrize("name", ["orders", "a/b/c", ""])
    def test_a_name_without_exactly_one_slash_counts_as_absent(self, name: str) -> None:
        model = new_model()
        model.handle(response(resource()))
        handled = model.handle(response(resource(name)))
        assert [Action.UNDECODABLE, Action.DELETED] == actions(handled)
        assert {} == model.configs

    @pytest.mark.parametrize("name", ["/b", "a/", "demo/com.foo.Bar:1.0"])
    def test_the_parts_of_a_name_are_not_checked(self, name: str) -> None:
        assert [Action.CREATED] == actions(new_model().handle(response(resource(name))))

    @pytest.mark.parametrize(
        ("revision", "labels", "visible"),
        [
            ("", {"istio.io/rev": "other"}, True),
            ("mine", {}, True),
            ("mine", {"istio.io/rev": "mine"}, True),
            ("mine", {"istio.io/rev": "other"}, False),
            ("mine", {"istio.io/rev": ""}, False),
        ],
    )
    def test_only_a_client_with_a_revision_filters(self, revision: str, labels: dict[str, str], visible: bool) -> None:
        handled = new_model(revision=revision).handle(response(resource(labels=labels)))
        assert [Action.CREATED if visible else Action.OTHER_REVISION] == actions(handled)

    def test_a_resource_without_metadata_is_refused_and_harmless(self) -> None:
        model = new_model()
        model.handle(response(resource()))
        handled = model.handle(response(resource(), DecodedResource(None)))
        assert [Action.SKIPPED, Action.INVALID] == actions(handled)
        assert {ORDERS: "1"} == versions(model)

    def test_a_deletion_names_the_undecodable_resource_behind_it(self) -> None:
        model = new_model()
        model.handle(response(resource(), resource("demo/payments")))
        bad = replace(resource(), spec=None, fault="broken")
        _, orders, payments = model.handle(response(bad)).events
        assert (ORDERS, "broken") == (orders.key, orders.reason)
        assert (PAYMENTS, "") == (payments.key, payments.reason)
        assert 1 == model.counters.deleted_by_fault

    def test_a_nameless_wreck_may_be_behind_any_deletion(self) -> None:
        model = new_model()
        model.handle(response(resource()))
        model.handle(response(DecodedResource(None, fault="wreck")))
        assert 1 == model.counters.deleted_by_fault

    def test_a_foreign_revision_is_no_fault(self) -> None:
        model = new_model(revision="mine")
        model.handle(response(resource()))
        handled = model.handle(response(resource(labels={"istio.io/rev": "other"})))
        assert [Action.OTHER_REVISION, Action.DELETED] == actions(handled)
        assert 0 == model.counters.deleted_by_fault

    def test_counters_add_up(self) -> None:
        model = new_model()
        model.handle(response(resource(), resource("demo/payments")))
        model.handle(response(resource(), resource("demo/payments", "2")))
        model.handle(response(resource()))
        assert {Action.CREATED: 2, Action.SKIPPED: 2, Action.UPDATED: 1, Action.DELETED: 1} == dict(
            model.counters.actions
        )
        assert (3, 3) == (model.counters.responses, model.counters.acks)


@both_codecs
class TestStubs:
    """What stock istiod 1.29.6 was measured to do with resources without content, as bytes."""

    def loaded(self, codec: Codec, revision: str = "") -> IstiodModel:
        model = new_model(revision=revision)
        model.handle(codec.decode_response(response_bytes(full("demo/orders"), full("demo/payments"))))
        assert {ORDERS: "1", PAYMENTS: "1"} == versions(model)
        return model

    def push(self, codec: Codec, model: IstiodModel, *entries: McpEntry | bytes) -> list[Action]:
        return actions(model.handle(codec.decode_response(response_bytes(*entries))))

    def test_stubs_of_equal_versions_touch_nothing(self, codec: Codec) -> None:
        model = self.loaded(codec)
        assert [Action.SKIPPED] * 2 == self.push(codec, model, stub("demo/orders"), stub("demo/payments"))
        assert [service_entry()] * 2 == [config.spec for config in model.configs.values()]

    def test_stubs_touch_nothing_under_a_revision_either(self, codec: Codec) -> None:
        model = self.loaded(codec, revision="mine")
        assert [Action.SKIPPED] * 2 == self.push(codec, model, stub("demo/orders"), stub("demo/payments"))

    def test_one_in_full_among_stubs_is_the_only_change(self, codec: Codec) -> None:
        model = self.loaded(codec)
        changed = full("demo/orders", "2", hosts=("new.nacos",))
        assert [Action.UPDATED, Action.SKIPPED] == self.push(codec, model, changed, stub("demo/payments"))
        assert {ORDERS: "2", PAYMENTS: "1"} == versions(model)

    def test_a_key_absent_among_stubs_is_deleted(self, codec: Codec) -> None:
        model = self.loaded(codec)
        assert [Action.SKIPPED, Action.DELETED] == self.push(codec, model, stub("demo/orders"))
        assert {ORDERS: "1"} == versions(model)

    def test_a_stub_for_an_unknown_key_is_not_stored(self, codec: Codec) -> None:
        model = self.loaded(codec)
        pushed = self.push(codec, model, stub("demo/orders"), stub("demo/payments"), stub("demo/new"))
        assert [Action.SKIPPED, Action.SKIPPED, Action.INVALID] == pushed
        assert {ORDERS: "1", PAYMENTS: "1"} == versions(model)

    @pytest.mark.parametrize("version", ["2", ""])
    def test_a_stub_of_another_or_no_version_changes_nothing(self, codec: Codec, version: str) -> None:
        model = self.loaded(codec)
        for _ in range(2):
            pushed = self.push(codec, model, stub("demo/orders", version), stub("demo/payments"))
            assert [Action.INVALID, Action.SKIPPED] == pushed
        assert {ORDERS: "1", PAYMENTS: "1"} == versions(model)
        assert service_entry() == model.configs[ORDERS].spec

    @pytest.mark.parametrize("bodiless", [McpEntry(with_body=False), McpEntry(body_url="")])
    def test_a_missing_body_or_type_url_deletes(self, codec: Codec, bodiless: McpEntry) -> None:
        model = self.loaded(codec)
        pushed = self.push(codec, model, bodiless, stub("demo/payments"))
        assert [Action.UNDECODABLE, Action.SKIPPED, Action.DELETED] == pushed
        assert {PAYMENTS: "1"} == versions(model)

    def test_a_stub_of_a_foreign_revision_deletes(self, codec: Codec) -> None:
        model = self.loaded(codec, revision="mine")
        foreign = McpEntry("demo/orders", labels={"istio.io/rev": "other"})
        pushed = self.push(codec, model, foreign, stub("demo/payments"))
        assert [Action.OTHER_REVISION, Action.SKIPPED, Action.DELETED] == pushed

    def test_full_then_stub_without_waiting_is_in_order(self, codec: Codec) -> None:
        model = self.loaded(codec)
        self.push(codec, model, full("demo/orders", "2"), full("demo/payments", "2"))
        assert [Action.SKIPPED] * 2 == self.push(codec, model, stub("demo/orders", "2"), stub("demo/payments", "2"))

    def test_a_stub_after_a_refused_update_keeps_the_old_content(self, codec: Codec) -> None:
        model = self.loaded(codec)
        self.push(codec, model, full("demo/orders", "3", hosts=("*",)), stub("demo/payments"))
        pushed = self.push(codec, model, stub("demo/orders", "3"), stub("demo/payments"))
        assert [Action.INVALID, Action.SKIPPED] == pushed
        assert {ORDERS: "1", PAYMENTS: "1"} == versions(model)

    def test_a_fresh_client_answered_with_stubs_is_synced_but_empty(self, codec: Codec) -> None:
        model = new_model()
        for type_url in ISTIOD_124.gating_types:
            stubs = [stub()] if type_url == SERVICE_ENTRY_URL else []
            model.handle(codec.decode_response(response_bytes(*stubs, type_url=type_url)))
        assert model.synced
        assert {} == model.configs

    @pytest.mark.parametrize(
        "wreck",
        [
            b"\x0a\x0d\x0a\x0bdemo/order\xff",
            McpEntry(body=b"\x0a\x01\xff"),
            McpEntry(body_url="type.googleapis.com/istio.networking.v1beta1.ServiceEntry"),
            McpEntry(resource_url="type.googleapis.com/envoy.service.discovery.v3.Resource"),
            McpEntry(name="orders"),
        ],
    )
    def test_what_cannot_be_read_deletes_and_is_acknowledged(self, codec: Codec, wreck: McpEntry | bytes) -> None:
        model = self.loaded(codec)
        handled = model.handle(codec.decode_response(response_bytes(wreck, stub("demo/payments"))))
        assert [Action.UNDECODABLE, Action.SKIPPED, Action.DELETED] == actions(handled)
        assert handled.ack is not None
        assert {PAYMENTS: "1"} == versions(model)
