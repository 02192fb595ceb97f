"""Sidecars in both profiles, and istiod's rules for them."""

import msgspec
import pytest

from meshregistry.model.policy import Profile
from meshregistry.model.rejects import Reject
from meshregistry.model.sidecar import (
    EgressListener,
    Sidecar,
    SidecarPolicy,
    ValidatedSidecar,
    build_sidecar,
    is_sidecar_host,
    validate_sidecar,
)

SLIME = SidecarPolicy(Profile.SLIME)
ISTIO = SidecarPolicy(Profile.ISTIO)


def test_slime_lists_the_services_on_one_listener_of_its_protocol() -> None:
    assert ValidatedSidecar(
        Sidecar(
            "dubbo",
            "web.dubbo.generated",
            (("app", "web"),),
            (EgressListener(("*/com.a.B", "*/com.a.B:g:1.0.0"), "DUBBO"),),
            annotations=(("sidecar.config.istio.io/nonNsSpec", "true"),),
        )
    ) == build_sidecar("web", ("com.a.B:g:1.0.0", "com.a.B"), SLIME)


def test_slime_gives_one_that_calls_nothing_an_empty_listener() -> None:
    built = build_sidecar("web", (), SLIME).sidecar
    assert built is not None
    assert (EgressListener((), "DUBBO"),) == built.egress


def test_the_istio_profile_has_one_listener_that_catches_all() -> None:
    assert ValidatedSidecar(
        Sidecar("dubbo", "web.dubbo.generated", (("app", "web"),), (EgressListener(("*/com.a.b.dubbo",)),))
    ) == build_sidecar("web", ("com.a.b.dubbo",), ISTIO)


def test_the_istio_profile_has_no_sidecar_that_reaches_nothing() -> None:
    assert ValidatedSidecar(None) == build_sidecar("web", (), ISTIO)


def test_label_key_namespace_and_revision_are_configured() -> None:
    policy = SidecarPolicy(Profile.ISTIO, resource_ns="shop", workload_label="application", revision="canary")
    built = build_sidecar("web", ("a.b",), policy).sidecar
    assert built is not None
    assert ("shop/web.dubbo.generated", (("application", "web"),), (("istio.io/rev", "canary"),)) == (
        built.resource_name,
        built.workload_labels,
        built.labels,
    )


@pytest.mark.parametrize(
    ("application", "reason"),
    [
        ("web/shop", "name_invalid"),
        ("web shop", "selector_invalid"),
        ("w" * 64, "selector_invalid"),
        ("a\ud800", "utf8"),
    ],
)
def test_an_application_that_no_selector_can_name_has_no_sidecar(application: str, reason: str) -> None:
    validated = build_sidecar(application, ("a.b",), ISTIO)
    assert validated.sidecar is None
    assert [reason] == [each.reason for each in validated.rejects]


def test_hosts_that_istiod_refuses_are_dropped_alone() -> None:
    name = "dubbo/web.dubbo.generated"
    validated = build_sidecar("web", ("a.b", "com.a.B:g"), ISTIO)
    assert (Reject(name, "host_invalid", "*/com.a.B:g", "dropped"),) == validated.rejects
    assert validated.sidecar is not None
    assert ("*/a.b",) == validated.sidecar.egress[0].hosts
    nothing_left = build_sidecar("web", ("com.a.B:g",), ISTIO)
    assert (None, ["host_invalid", "host_missing"]) == (
        nothing_left.sidecar,
        [each.reason for each in nothing_left.rejects],
    )


def test_slime_refuses_only_what_breaks_the_wire() -> None:
    validated = build_sidecar("web shop", ("a:b", "a\ud800"), SLIME)
    assert validated.sidecar is not None
    assert (["host_invalid"], ("*/a:b",)) == (
        [each.reason for each in validated.rejects],
        validated.sidecar.egress[0].hosts,
    )


@pytest.mark.parametrize("profile", list(Profile))
def test_a_valid_sidecar_comes_back_as_it_is(profile: Profile) -> None:
    sidecar = build_sidecar("web", ("a.b",), SidecarPolicy(profile)).sidecar
    assert sidecar is not None
    assert sidecar is validate_sidecar(sidecar, profile).sidecar
    empty = msgspec.structs.replace(sidecar, egress=())
    assert (None if profile is Profile.ISTIO else empty) == validate_sidecar(empty, profile).sidecar


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*/a.b", True),
        ("./a.b", True),
        ("~/*", True),
        ("ns/*.a.b", True),
        ("a.b", False),
        ("*/a:b", False),
        ("n_s/a.b", False),
        ("*/", False),
        ("*/orders", False),
        ("*/*-orders.dubbo", False),
        ("*/*", True),
    ],
)
def test_an_egress_host_is_a_namespace_and_a_host(text: str, expected: bool) -> None:
    assert expected is is_sidecar_host(text)
