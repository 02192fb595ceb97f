"""What of a registry's namespaces the status page shows."""

from meshregistry.sources.nacos.overview import MOST, describe_namespaces


class Namespace:
    """A namespace of some groups."""

    def __init__(self, name: str, size: int, *, healthy: bool = True) -> None:
        self.healthy = healthy
        self.scopes = [f"{name}-{number}" for number in range(size)]
        self._name = name

    def describe_watch(self) -> dict[str, object]:
        return {"namespace": self._name}

    def describe_scopes(self, most: int) -> list[dict[str, object]]:
        return [{"group": group} for group in self.scopes[:most]]


def test_few_namespaces_are_shown_as_they_come() -> None:
    assert {
        "namespaces": [{"namespace": "a"}, {"namespace": "b"}],
        "more_namespaces": 0,
        "scopes": [{"group": "a-0"}, {"group": "b-0"}],
        "more_scopes": 0,
    } == describe_namespaces([Namespace("a", 1), Namespace("b", 1, healthy=False)])


def test_of_many_those_that_fail_come_first_and_the_rest_is_counted() -> None:
    many = [Namespace(f"n{number}", 2) for number in range(2 * MOST)]

    told = describe_namespaces([*many, Namespace("broken", 3, healthy=False)])

    namespaces, scopes = told["namespaces"], told["scopes"]
    assert isinstance(namespaces, list)
    assert isinstance(scopes, list)
    assert (MOST, {"namespace": "broken"}, MOST + 1) == (len(namespaces), namespaces[0], told["more_namespaces"])
    assert (MOST, {"group": "broken-0"}) == (len(scopes), scopes[0])
    assert 4 * MOST + 3 - MOST == told["more_scopes"]
