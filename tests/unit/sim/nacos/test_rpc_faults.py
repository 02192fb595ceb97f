"""Which messages a gRPC fault meets, and how often."""

import pytest

from meshregistry.sim.nacos.rpc_faults import RpcFault, RpcFaultPlan, RpcSubject

_PUSH = RpcSubject("NotifySubscriberRequest", "public", "G", "orders")


@pytest.mark.parametrize(
    ("fault", "met"),
    [
        (RpcFault(), True),
        (RpcFault(type="NotifySubscriberRequest", service="orders", group="G", namespace="public"), True),
        (RpcFault(type="SubscribeServiceRequest"), False),
        (RpcFault(service="users"), False),
        (RpcFault(group="H"), False),
        (RpcFault(namespace="team-a"), False),
        (RpcFault(times=0), False),
    ],
)
def test_a_fault_meets_what_fits_all_it_names(fault: RpcFault, *, met: bool) -> None:
    plan = RpcFaultPlan()
    plan.arm(fault)

    assert (fault if met else None) == plan.strike(_PUSH)


def test_a_fault_is_used_up_and_the_next_one_strikes() -> None:
    plan = RpcFaultPlan()
    first, second = RpcFault(times=1, stall=True), RpcFault(error_code=403)
    plan.arm(first, second)

    assert [first, second, second] == [plan.strike(_PUSH) for _ in range(3)]
    plan.arm()
    assert (None, []) == (plan.strike(_PUSH), plan.armed())
