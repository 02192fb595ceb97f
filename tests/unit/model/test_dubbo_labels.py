"""Labels from the parameters of Dubbo providers."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshregistry.model.dubbo_key import find_param
from meshregistry.model.dubbo_labels import DubboLabels
from meshregistry.model.instance import Pairs, sort_pairs
from meshregistry.model.labels import LabelFilter
from meshregistry.model.policy import ConversionPolicy, Profile
from meshregistry.model.relabel import RelabelStep

KEPT = ("app", "application", "group", "interface", "revision", "version", "zone")
names = st.sampled_from([*KEPT, *(f"default.{name}" for name in KEPT), "methods", "default.methods", "release"])
metadata = st.dictionaries(
    st.sampled_from([*KEPT, "protocol", "methods", "dubbo.tag", "default.group", "istio-locality", "odd key"]),
    st.sampled_from(["", "shop", "a:b,c", "com.acme.Orders$Inner", "k=v,zone=az-1", "r.z", "\ud800"]),
).map(sort_pairs)


@given(st.dictionaries(names, st.sampled_from(["", "shop", "1.0.0", "com.acme.Orders"])))
def test_a_label_is_a_parameter_that_describes_or_its_default(params: dict[str, str]) -> None:
    found = {name: value for name in KEPT if (value := find_param(params, name))}

    assert sort_pairs(found) == DubboLabels(ConversionPolicy(), 100).convert(sort_pairs(params)).labels.labels


def test_an_interface_that_is_no_label_is_left_out() -> None:
    params = sort_pairs({"interface": "com.acme.Orders$Inner", "application": "shop"})

    assert (("application", "shop"),) == DubboLabels(ConversionPolicy(), 100).convert(params).labels.labels


@pytest.mark.parametrize("profile", Profile)
@given(pairs=metadata)
def test_usual_parameters_are_read_as_those_that_need_every_step(profile: Profile, pairs: Pairs) -> None:
    usual = ConversionPolicy(profile=profile)
    idle_step = RelabelStep("nobody-has-this", "protocol")
    every_step = msgspec.structs.replace(usual, relabel=(idle_step,))

    assert DubboLabels(every_step, 100).convert(pairs) == DubboLabels(usual, 100).convert(pairs)


@pytest.mark.parametrize("profile", Profile)
@given(pairs=metadata)
def test_labels_do_not_depend_on_who_says_them(profile: Profile, pairs: Pairs) -> None:
    policy = ConversionPolicy(profile=profile)

    assert LabelFilter(policy, 100).convert((), pairs) == LabelFilter(policy, 100).convert(pairs, ())


def test_metadata_that_is_all_labels_is_not_copied() -> None:
    pairs = sort_pairs({"application": "shop", "zone": "az-1"})

    assert LabelFilter(ConversionPolicy(), 100).convert(pairs, ()).labels is pairs
