"""What a soak takes for a leak and what not, on series as they come from storms of connections."""

import pytest

from tests.campaign.memory import (
    BLOCK_BYTES,
    MOST_MB_PER_MINUTE,
    MOST_STEP_MB,
    Series,
    measure_rise,
    measure_step,
)

DURATION_S = 900.0
STORM_EACH_S = 60
WARM_UP_S = 300
KEPT_MB = 115.0
"""What storms leave to the allocator."""


def blocks(leak_mb_per_minute: float = 0.0) -> Series:
    """Return living objects: a storm adds up to 400,000, which are looked for some seconds later."""
    leak = leak_mb_per_minute * 1e6 / BLOCK_BYTES / 60
    return [(float(at), 400_000 + leak * at + max(0, 20 - at % STORM_EACH_S) * 20_000) for at in range(0, 900, 2)]


def resident(leak_mb_per_minute: float = 0.0, jump_at: int = 0) -> Series:
    """Return resident memory: it climbs to its level while it warms up, and a storm stands out a little."""

    def measure(at: int) -> float:
        climbed = 78 + min(at, WARM_UP_S) / WARM_UP_S * KEPT_MB
        return climbed + leak_mb_per_minute * at / 60 + 8 * (at % STORM_EACH_S < 20) + 17 * (0 < jump_at < at)

    return [(float(at), measure(at)) for at in range(900)]


def test_storms_and_the_climb_to_a_level_are_no_leak() -> None:
    assert 0.0 == measure_rise(blocks(), DURATION_S)
    assert 0.0 == measure_step(resident(), DURATION_S)


@pytest.mark.parametrize("leak", [1.0, 2.0, 5.0])
def test_a_leak_of_a_megabyte_a_minute_is_told_beneath_the_storms(leak: float) -> None:
    assert pytest.approx(leak, rel=0.01) == measure_rise(blocks(leak), DURATION_S)
    assert leak > MOST_MB_PER_MINUTE


def test_the_same_pace_is_told_of_a_soak_of_another_length() -> None:
    hour = [(float(at), 400_000 + at * 1e6 / BLOCK_BYTES / 60) for at in range(3600)]

    assert pytest.approx(1.0) == measure_rise(hour, 3600.0)


def test_another_level_in_the_last_third_is_told_although_no_object_is_behind_it() -> None:
    assert MOST_STEP_MB < measure_step(resident(jump_at=700), DURATION_S)
    assert 0.0 == measure_step(resident(jump_at=400), DURATION_S)


def test_buffers_that_leak_are_told_by_their_level() -> None:
    assert MOST_STEP_MB < measure_step(resident(4.0), DURATION_S)


def test_a_series_that_lacks_a_third_is_not_judged() -> None:
    assert 0.0 == measure_rise([(float(at), at * 1e6) for at in range(300)], DURATION_S)
    assert 0.0 == measure_step([], DURATION_S)
