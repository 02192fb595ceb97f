"""Counts what each kind of registry was tested with: a simulator proves nothing that the real servers do not."""

from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.integration.ledger import REAL_FIXTURES, SIMULATED_MODULES, SIMULATOR_ONLY

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

_outcomes: pytest.StashKey[Counter[tuple[str, str]]] = pytest.StashKey()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Hold the marker and the list to each other."""
    marked = {item.function.__name__ for item in items if _is_simulator_only(item)}  # type: ignore[attr-defined]
    if marked - SIMULATOR_ONLY.keys():
        raise pytest.UsageError(f"simulator_only without a reason: {sorted(marked - SIMULATOR_ONLY.keys())}")
    silent = {item.name for item in items if _is_unaccounted(item)}
    if silent:
        raise pytest.UsageError(f"without a real server and without a reason: {sorted(silent)}")
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


def _is_unaccounted(item: pytest.Item) -> bool:
    """Whether a test of Nacos uses the simulator alone and nobody says why."""
    if not (item.path.parent == HERE and item.path.stem.startswith("test_nacos_")):
        return False
    is_real = item.get_closest_marker("real") is not None or REAL_FIXTURES & set(item.fixturenames)  # type: ignore[attr-defined]
    return not (is_real or _is_simulator_only(item) or item.path.stem in SIMULATED_MODULES)


def _rigs(item: pytest.Item) -> list[str]:
    """Return the rig of a test of this folder; the hooks that count outcomes see no other."""
    return [rig for rig in RIGS if rig in item.name and item.path.is_relative_to(HERE)]
