"""Who may open a stream, and when."""

import pytest

from meshregistry.xds.admission import Admission, TokenBucket
from meshregistry.xds.door import Refused
from meshregistry.xds.options import Limits


def test_burst_passes_at_once_and_the_rest_keeps_the_pace() -> None:
    """X66: fair order, no loss."""
    bucket = TokenBucket(rate=10.0, burst=3)
    waits = [bucket.reserve(100.0) for _ in range(6)]
    assert pytest.approx([0.0, 0.0, 0.0, 0.1, 0.2, 0.3]) == waits
    assert 0.0 == bucket.reserve(101.0)


def test_quiet_time_fills_the_bucket_to_the_burst_and_no_further() -> None:
    """An hour of quiet does not let a thousand streams in at once."""
    bucket = TokenBucket(rate=10.0, burst=2)
    waits = [bucket.reserve(3600.0) for _ in range(4)]
    assert pytest.approx([0.0, 0.0, 0.1, 0.2]) == waits


def test_full_server_refuses() -> None:
    """And does not spend a token on it."""
    admission = Admission(Limits(max_streams=2, new_streams_per_s=1.0, new_streams_burst=1))
    with pytest.raises(Refused, match="2 streams"):
        admission.admit(2)
    admission.admit(1)
    assert 0.0 == admission.reserve(1000.0)


def test_a_token_that_was_not_used_is_there_for_the_next() -> None:
    """A thousand streams that ended before their answer do not make the next one wait for theirs."""
    admission = Admission(Limits(new_streams_per_s=10.0, new_streams_burst=1))
    assert pytest.approx([0.0, 0.1, 0.2]) == [admission.reserve(1000.0) for _ in range(3)]
    admission.give_back()
    admission.give_back()
    assert pytest.approx(0.1) == admission.reserve(1000.0)
