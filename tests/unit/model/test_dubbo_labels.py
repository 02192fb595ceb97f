"""Labels from the parameters of Dubbo providers, in the istio profile."""

from hypothesis import given
from hypothesis import strategies as st

from meshregistry.model.dubbo_key import find_param
from meshregistry.model.dubbo_labels import DubboLabels
from meshregistry.model.instance import sort_pairs
from meshregistry.model.policy import ConversionPolicy

KEPT = ("app", "application", "group", "interface", "revision", "version", "zone")
names = st.sampled_from([*KEPT, *(f"default.{name}" for name in KEPT), "methods", "default.methods", "release"])


@given(st.dictionaries(names, st.sampled_from(["", "shop", "1.0.0", "com.acme.Orders"])))
def test_a_label_is_a_parameter_that_describes_or_its_default(params: dict[str, str]) -> None:
    found = {name: value for name in KEPT if (value := find_param(params, name))}

    assert sort_pairs(found) == DubboLabels(ConversionPolicy(), 100).convert(sort_pairs(params)).labels.labels


def test_an_interface_that_is_no_label_is_left_out() -> None:
    params = sort_pairs({"interface": "com.acme.Orders$Inner", "application": "shop"})

    assert (("application", "shop"),) == DubboLabels(ConversionPolicy(), 100).convert(params).labels.labels
