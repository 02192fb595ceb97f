"""The picture of a soak: memory above, latency below, faults shaded."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median, quantiles

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tests.campaign.churn import Arrival
from tests.campaign.soak_record import Record

_BINS = 120


def draw(record: Record, path: Path) -> None:
    """Write a PNG."""
    figure = Figure(figsize=(14, 8), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True)
    above.plot([at for at, _ in record.memory], [mb for _, mb in record.memory], color="tab:blue")
    above.set(ylabel="resident memory, MB", ylim=(0, None))
    objects = above.twinx()
    thousands = [count / 1000 for _, count in record.blocks]
    objects.plot([at for at, _ in record.blocks], thousands, color="tab:orange", alpha=0.7)
    objects.set(ylabel="living objects, thousands", ylim=(0, None))
    for label, pick, colour in (("p50", median, "tab:green"), ("p99", _p99, "tab:red")):
        points = [(at, pick(took) * 1000) for at, took in _bins(record.arrivals)]
        below.plot([at for at, _ in points], [ms for _, ms in points], color=colour, label=label)
    below.set(ylabel="registration → istiod model, ms", xlabel="seconds", yscale="log")
    below.legend()
    for axes in (above, below):
        for span in record.spans:
            axes.axvspan(span.begin_s, span.end_s, color="grey", alpha=0.2)
    for span in record.spans:
        above.text(span.begin_s, 0, span.name, rotation=90, fontsize=6, va="bottom")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _bins(arrivals: Sequence[Arrival]) -> list[tuple[float, list[float]]]:
    if not arrivals:
        return []
    last = max(each.made_at for each in arrivals)
    width = max(last / _BINS, 0.5)
    found: dict[int, list[float]] = {}
    for each in arrivals:
        found.setdefault(int(each.made_at / width), []).append(each.took_s)
    return [(number * width, took) for number, took in sorted(found.items())]


def _p99(took: Sequence[float]) -> float:
    return quantiles(took, n=100)[98] if len(took) > 1 else took[0]
