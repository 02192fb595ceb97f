"""Counts what each kind of registry was tested with: a simulator proves nothing that the real servers do not."""

from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FAMILIES = {
    "Nacos": ("simulator-2.x", "simulator-3.x", "real-2.x", "real-3.x"),
    "Nacos of which there is no real server": ("simulator-1.x", "simulator-3.2"),
    "ZooKeeper": ("zookeeper-simulator", "zookeeper-3.8", "zookeeper-3.9"),
    "Eureka": ("eureka-simulator", "eureka-real"),
    "Eureka peers": ("peers-simulator", "peers-real"),
}
"""Registry → rigs that must pass equally many tests."""

RIGS = [rig for rigs in FAMILIES.values() for rig in rigs]

SIMULATOR_ONLY = {
    "test_each_spoilt_bulk_answer_keeps_everything": "a real server sends no broken answers",
    "test_each_spoilt_service_answer_keeps_that_service": "a real server sends no broken answers",
    "test_a_broken_page_among_several_keeps_everything": "a real server does not fail for one page",
    "test_an_answer_too_slow_or_without_end_is_given_up": "a real server sends no endless bodies",
    "test_a_garbage_record_costs_only_itself": "real servers check what is registered",
    "test_an_unreadable_service_is_named_on_one_line": "real servers refuse line breaks and check what is registered",
    "test_half_a_surrogate_pair_costs_no_instance": "a real server replaces it before it is stored",
    "test_a_service_that_is_listed_twice_keeps_what_is_known": "a real server lists a service once",
    "test_names_that_real_servers_refuse_are_read": "real servers refuse spaces and Chinese characters",
    "test_a_megabyte_of_metadata_is_read": "real servers allow 1024 characters",
    "test_a_shuffled_registry_is_an_unchanged_registry": "a real server keeps its order while nothing changes",
    "test_a_server_that_becomes_another_generation_is_read_on": "no real server changes its generation in place",
    "test_a_server_that_forgot_everything_while_it_was_away_takes_nothing_away": "real ones are killed by the judges",
    "test_another_member_that_knows_less_takes_nothing_away": "there is no cluster of real servers",
    "test_a_restart_between_two_polls_takes_nothing_away": "the judges restart a real one between two polls",
    "test_what_stays_away_for_the_time_to_settle_goes_without_another_period": "a real one forgets nothing on demand",
    "test_one_service_is_scaled_down_and_up_at_once": "real ones show single departures in every test of the source",
    "test_without_a_time_to_settle_every_answer_is_believed": "a real one forgets nothing on demand",
    "test_groups_of_one_namespace_are_restarted_together": "a real one forgets nothing on demand",
    "test_a_restart_that_no_call_met_costs_no_endpoint_in_either_profile": "a real restart is met by some call",
    "test_an_expired_token_is_replaced_in_time": "real tokens live five hours",
    "test_each_spoilt_answer_keeps_everything": "a real server sends no broken answers",
    "test_a_redirect_to_another_server_is_followed": "a real server redirects nobody",
    "test_stale_deltas_are_found_by_their_hash": "a real server forgets no change on demand",
    "test_what_the_hash_cannot_see_is_found_at_the_full_fetch": "a real server hides no change",
    "test_every_dialect_says_the_same": "the real server speaks one dialect",
    "test_without_deltas_everything_is_read": "a real server that offers none would be one more to start",
}
"""Test → why a real server cannot be made to show it."""

_outcomes: pytest.StashKey[Counter[tuple[str, str]]] = pytest.StashKey()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Hold the marker and the list to each other."""
    marked = {item.function.__name__ for item in items if _is_simulator_only(item)}  # type: ignore[attr-defined]
    if marked - SIMULATOR_ONLY.keys():
        raise pytest.UsageError(f"simulator_only without a reason: {sorted(marked - SIMULATOR_ONLY.keys())}")
    config.stash[_outcomes] = Counter(
        (rig, "collected") for item in items if not _is_simulator_only(item) for rig in _rigs(item)
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count a passed test for its rig."""
    report = yield
    if report.when == "call" and report.passed:
        outcome = "simulator_only" if _is_simulator_only(item) else "passed"
        for rig in _rigs(item):
            item.config.stash.setdefault(_outcomes, Counter())[rig, outcome] += 1
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run of all rigs of a registry in which they did not pass equally many tests."""
    counts = session.config.stash.get(_outcomes, Counter())
    if session.config.getoption("--no-real") or session.exitstatus != pytest.ExitCode.OK:
        return
    for rigs in FAMILIES.values():
        if all(counts[rig, "collected"] for rig in rigs) and len({counts[rig, "passed"] for rig in rigs}) > 1:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the counts."""
    counts = config.stash.get(_outcomes, Counter())
    for family, rigs in FAMILIES.items():
        if not any(counts[rig, outcome] for rig in rigs for outcome in ("collected", "simulator_only")):
            continue
        terminalreporter.section(f"{family} rigs")
        for rig in rigs:
            passed, only = counts[rig, "passed"], counts[rig, "simulator_only"]
            extra = f", and {only} that only a simulator can show" if only else ""
            terminalreporter.write_line(f"{rig:16} {passed:4} of {counts[rig, 'collected']} passed{extra}")


def _is_simulator_only(item: pytest.Item) -> bool:
    return item.get_closest_marker("simulator_only") is not None


def _rigs(item: pytest.Item) -> list[str]:
    """Return the rig of a test of this folder; the hooks that count outcomes see no other."""
    return [rig for rig in RIGS if rig in item.name and item.path.is_relative_to(HERE)]
