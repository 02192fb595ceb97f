"""Time that goes on as it is told."""

from meshregistry.sim.eureka.clock import SimClock, TimeChange


def test_time_passes_faster_and_goes_on_at_once() -> None:
    real = [100.0]
    clock = SimClock(lambda: real[0])
    shown = [clock()]
    clock.change(TimeChange(advance_s=50))
    shown.append(clock())
    clock.change(TimeChange(factor=10))
    real[0] += 5
    shown.append(clock())
    clock.change(TimeChange(advance_s=1))
    real[0] += 1
    shown.append(clock())

    assert [100, 150, 200, 211] == shown
