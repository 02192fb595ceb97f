"""Who calls what."""

import pytest

from meshregistry.model.dubbo_key import DubboKey
from meshregistry.sources.steps import finish
from meshregistry.sources.zookeeper.dubbo.consumers import Consumer, read_consumers
from tests.support.dubbo_names import encode


def consumer(**params: str) -> str:
    query = "&".join(f"{name}={value}" for name, value in params.items())
    return encode(f"consumer://10.20.30.50/com.acme.Orders?category=consumers&side=consumer&{query}")


def test_references_are_read_once_each() -> None:
    names = [
        consumer(application="web", group="g", version="1", timestamp="1"),
        consumer(application="web", group="g", version="1", timestamp="2"),
        consumer(application="web", group="*", version="*"),
        consumer(version="1"),
        encode("dubbo://10.0.0.1:20880/com.acme.Orders?application=shop"),
        "nonsense",
        "x" * 70_000,
    ]
    assert {Consumer("web", "g", "1"), Consumer("web", "*", "*")} == finish(read_consumers(names))


@pytest.mark.parametrize(
    ("reference", "key", "expected"),
    [
        (Consumer("web"), DubboKey("i"), True),
        (Consumer("web", "", "0.0.0"), DubboKey("i"), True),
        (Consumer("web"), DubboKey("i", "g"), False),
        (Consumer("web"), DubboKey("i", "", "1"), False),
        (Consumer("web", "g", "1"), DubboKey("i", "g", "1"), True),
        (Consumer("web", "*"), DubboKey("i", "g"), True),
        (Consumer("web", "*"), DubboKey("i", "g", "1"), False),
        (Consumer("web", "*", "*"), DubboKey("i", "g", "1"), True),
        (Consumer("web", "a,g"), DubboKey("i", "g"), True),
    ],
)
def test_a_reference_means_the_services_it_names(reference: Consumer, key: DubboKey, expected: bool) -> None:
    assert expected is reference.wants(key)


def test_a_long_reading_pauses() -> None:
    assert 10 == len(list(read_consumers(["nonsense"] * 640)))
