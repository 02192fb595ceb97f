"""What `make up` does when it is not ended by Ctrl-C."""

import signal

import pytest

from tests.support.whole_mesh import end_as_interrupted


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_closed_terminal_or_a_kill_stops_the_servers_as_an_interrupt_does(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    try:
        end_as_interrupted(number)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
    finally:
        signal.signal(number, before)
