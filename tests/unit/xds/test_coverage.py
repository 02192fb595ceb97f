"""Since when a client has a commit: by a few remembered ACKs."""

from hypothesis import given
from hypothesis import strategies as st

from meshregistry.xds.coverage import MOST, NEWEST, Coverage, Since


def busy(count: int, pause_s: float) -> Coverage:
    """A client that acknowledged commit n at second n * pause_s."""
    coverage = Coverage()
    for sequence in range(count):
        coverage.acknowledge(sequence, sequence * pause_s)
    return coverage


def test_the_first_ack_that_covers_a_commit_counts() -> None:
    coverage = Coverage()
    coverage.acknowledge(3, 10.0)
    coverage.acknowledge(7, 20.0)
    coverage.acknowledge(9, 30.0)

    assert [Since(10.0, True), Since(10.0, True), Since(20.0, True), Since(30.0, True), None] == [
        coverage.find(sequence) for sequence in (1, 3, 4, 8, 10)
    ]


def test_nobody_knows_what_a_client_held_before_the_stream() -> None:
    coverage = Coverage(is_resumed=True)
    coverage.acknowledge(3, 10.0)
    coverage.acknowledge(7, 20.0)

    assert [Since(10.0, False), Since(20.0, True)] == [coverage.find(3), coverage.find(4)]


def test_commits_that_change_nothing_for_the_client_count_as_held() -> None:
    coverage = Coverage()
    coverage.stretch(2)
    assert coverage.find(2) is None
    coverage.acknowledge(3, 10.0)
    coverage.stretch(8)

    assert [Since(10.0, True), None] == [coverage.find(8), coverage.find(9)]


def test_parts_count_once_nothing_is_left_to_say() -> None:
    coverage = Coverage()
    coverage.acknowledge(3, 10.0)
    coverage.acknowledge_part(20.0)
    assert coverage.find(5) is None
    coverage.stretch(5)

    assert [Since(10.0, True), Since(20.0, True)] == [coverage.find(3), coverage.find(5)]


def test_what_was_refused_is_not_held_although_later_commits_are() -> None:
    coverage = Coverage()
    coverage.acknowledge(3, 10.0)
    coverage.refuse(5)
    coverage.acknowledge(8, 20.0)

    assert [False, True, True, False] == [coverage.is_refused(sequence) for sequence in (3, 4, 5, 6)]


def test_refusals_without_end_become_one_that_says_more() -> None:
    coverage = Coverage()
    for sequence in range(0, 1000, 10):
        coverage.acknowledge(sequence, float(sequence))
        coverage.refuse(sequence + 5)

    assert all(coverage.is_refused(sequence) for sequence in (1, 5, 995))
    assert not coverage.is_refused(996)


def test_a_day_of_acks_is_known_exactly_at_its_ends_and_told_too_short_by_two_sevenths_at_most_between() -> None:
    count, pause_s = 86_400 * 4, 0.25
    coverage = busy(count, pause_s)
    now = count * pause_s

    assert len(coverage) <= MOST
    assert Since(0.0, True) == coverage.find(0)
    for sequence in range(count - NEWEST, count):
        assert Since(sequence * pause_s, True) == coverage.find(sequence)
    for sequence in range(1, count, 997):
        since = coverage.find(sequence)
        assert since is not None
        age, told = now - sequence * pause_s, now - since.at
        assert (age - 0.1) / 1.4 <= told <= age
        assert since.at == sequence * pause_s or not since.is_exact


@given(st.lists(st.floats(0.0, 1e7), min_size=1, max_size=40), st.integers(1, 400))
def test_however_long_and_uneven_a_stream_is_the_list_is_bounded_and_says_nothing_wrong(
    pauses: list[float], rounds: int
) -> None:
    coverage, at, acked = Coverage(), 0.0, []
    for sequence in range(len(pauses) * rounds):
        at += pauses[sequence % len(pauses)]
        coverage.acknowledge(sequence, at)
        acked.append(at)
        assert len(coverage) < MOST

    for sequence in {*range(0, len(acked), 7), len(acked) - 1}:
        since = coverage.find(sequence)
        assert since is not None
        assert since.at == acked[sequence] if since.is_exact else since.at >= acked[sequence]
