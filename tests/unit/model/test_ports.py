"""Service ports: how many one entry may have."""

from hypothesis import given
from hypothesis import strategies as st

from meshregistry.model.ports import MAX_SERVICE_PORTS, limit_ports


def test_few_ports_are_kept_in_order() -> None:
    assert [80, 443, 8080] == limit_ports([8080, 80, 443, 80], 80)


def test_of_too_many_ports_the_lowest_and_the_service_port_stay() -> None:
    kept = limit_ports(range(1000, 2000), 1999)

    assert [*range(1000, 1000 + MAX_SERVICE_PORTS - 1), 1999] == kept


@given(st.sets(st.integers(1, 65535), max_size=300), st.integers(0, 65535))
def test_what_is_kept_is_bounded_ordered_and_a_part(numbers: set[int], svc_port: int) -> None:
    kept = limit_ports(numbers, svc_port)

    assert min(len(numbers), MAX_SERVICE_PORTS) == len(kept)
    assert sorted(kept) == kept
    assert set(kept) <= numbers
    assert (svc_port in kept) == (svc_port in numbers)
