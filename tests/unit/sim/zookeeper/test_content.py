"""What the simulated ZooKeeper is filled with."""

import time
from urllib.parse import unquote_plus

import orjson

from meshregistry.sim.zookeeper.content import Churn, Churned, Load, populate
from meshregistry.sim.zookeeper.state import Rules, State


def test_a_load_is_a_tree_of_providers_and_instances() -> None:
    state = State(Rules(), time.monotonic)
    populate(state, Load(interfaces=2, providers=3, applications=1, instances=2, dubbo_root="/group/dubbo"))

    category = state.tree.get("/group/dubbo/com.example.Service00001/providers")
    urls = [unquote_plus(each) for each in category.children]
    assert [f"dubbo://10.0.0.{number}:20880/com.example.Service00001" for number in (4, 5, 6)] == [
        each.partition("?")[0] for each in urls
    ]
    instances = [orjson.loads(state.tree.get(f"/services/app-00000/{each}").data) for each in _instances(state)]
    assert [("app-00000", "12.0.0.7", 8080), ("app-00000", "12.0.0.8", 8080)] == [
        (each["name"], each["address"], each["port"]) for each in instances
    ]
    assert _instances(state) == [each["id"] for each in instances]


def test_each_step_replaces_a_provider_of_the_next_interface() -> None:
    state = State(Rules(), time.monotonic)
    churn, other = Churn(lambda: state), Churn(lambda: state)
    assert None is churn.step("/dubbo")
    populate(state, Load(interfaces=2, providers=2))

    steps = [churn.step("/dubbo"), churn.step("/dubbo"), other.step("/dubbo")]

    replaced = [each for each in steps if isinstance(each, Churned)]
    assert 3 == len({each.come for each in replaced}) == len({each.gone for each in replaced})
    assert {"1", "0"} == {each.gone.split("/")[2][-1] for each in replaced}
    assert all(state.tree.find(each.come) and not state.tree.find(each.gone) for each in replaced)


def _instances(state: State) -> list[str]:
    return list(state.tree.get("/services/app-00000").children)
