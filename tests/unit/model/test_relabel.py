"""Relabelling steps and computed names, one by one."""

import pytest

from meshregistry.model.instance import Instance
from meshregistry.model.relabel import NamePart, PartKind, RelabelStep, ServiceNaming, build_namer, relabel


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (RelabelStep("a", "new"), {"a": "1", "b": "2", "new": "1"}),
        (RelabelStep("a", "b"), {"a": "1", "b": "2"}),
        (RelabelStep("a", "b", overwrite=True), {"a": "1", "b": "1"}),
        (RelabelStep("x", "new"), {"a": "1", "b": "2"}),
        (RelabelStep("x", "new", created_with_value="v"), {"a": "1", "b": "2", "new": "v"}),
        (RelabelStep("a", "new", values_mapping=(("1", "one"),)), {"a": "1", "b": "2", "new": "one"}),
        (RelabelStep("a", ""), {"a": "1", "b": "2"}),
        (RelabelStep("", "new", created_with_value="v"), {"a": "1", "b": "2"}),
    ],
)
def test_a_step_writes_its_target_or_nothing(step: RelabelStep, expected: dict[str, str]) -> None:
    metadata = {"a": "1", "b": "2"}
    relabel(metadata, (step,))
    assert expected == metadata


def test_steps_build_on_each_other() -> None:
    metadata = {"a": "1"}
    relabel(metadata, (RelabelStep("a", "b"), RelabelStep("b", "c")))
    assert {"a": "1", "b": "1", "c": "1"} == metadata


def test_a_name_is_its_parts_joined() -> None:
    parts = (
        NamePart(PartKind.INSTANCE, "service"),
        NamePart(PartKind.INSTANCE, "ip"),
        NamePart(PartKind.INSTANCE, "port"),
        NamePart(PartKind.METADATA, "app"),
        NamePart(PartKind.METADATA, "missing"),
        NamePart(PartKind.STATIC, "end"),
    )
    name = build_namer(ServiceNaming(parts, "|"))
    assert "orders|10.0.0.1|80|x||end" == name("orders", Instance("10.0.0.1", 80), {"app": "x"})
