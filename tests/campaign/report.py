"""The table of a campaign."""

from collections.abc import Iterable, Sequence
from statistics import median

from tests.campaign.fault import Outcome

HEAD = ("fault", "against", "times", "lost", "wrong", "recovery (median, longest)", "left behind")


def row(outcome: Outcome) -> tuple[str, ...]:
    """Return one line of the table."""
    times = outcome.recoveries_s
    recovery = f"{median(times):.1f} s, {max(times):.1f} s" if times else "–"
    proven = f"{outcome.times - outcome.unproven} of " if outcome.unproven else ""
    numbers = (f"{proven}{outcome.times}", str(outcome.lost), str(outcome.wrong))
    return (outcome.fault, outcome.against, *numbers, recovery, "; ".join(outcome.left) or "nothing")


def table(outcomes: Iterable[Outcome]) -> str:
    """Return all lines as a table in Markdown."""
    return draw_table(HEAD, map(row, outcomes))


def draw_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---" for _ in head], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def notes(outcomes: Sequence[Outcome]) -> list[str]:
    """Return what faults said, each thing once."""
    return list(dict.fromkeys(f"{outcome.fault}: {note}" for outcome in outcomes for note in outcome.notes))


def verdict(outcomes: Sequence[Outcome]) -> str:
    """Return one line for the end."""
    lost, wrong = sum(each.lost for each in outcomes), sum(each.wrong for each in outcomes)
    left = sum(bool(each.left) for each in outcomes)
    word = "passed" if all(each.is_good for each in outcomes) else "FAILED"
    times = sum(each.times for each in outcomes)
    counts = f"{len(outcomes)} faults, {times} times, {lost} lost, {wrong} wrong, {left} left something behind"
    unproven = sum(each.unproven for each in outcomes)
    return f"{word}: {counts}{f', {unproven} did not show that they were there' if unproven else ''}"
