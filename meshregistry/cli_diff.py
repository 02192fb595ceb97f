"""`meshregistry diff`: compare what is served here with what another meshregistry, Slime's or ours, serves.

Exit codes as diff(1): 0 no difference, 1 differences, 2 nothing could be compared.
"""

import asyncio
import os
import sys
from pathlib import Path

import click

from meshregistry.errors import MeshRegistryError, SettingsError
from meshregistry.settings.durations import parse_duration
from meshregistry.settings.references import resolve_reference
from meshregistry.telemetry.logs import conceal_known

EXIT_DIFFERENT = 1
EXIT_TROUBLE = 2
EXIT_INTERRUPTED = 130

_OURS = "http://127.0.0.1:8081"


class _Duration(click.ParamType[float]):
    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Reference(click.ParamType[str]):
    name = "reference"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return resolve_reference(value, os.environ, None)
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.option("--against", required=True, help="The other side: http://HOST:PORT, a page's URL, or a saved page.")
@click.option("--ours", default=None, help=f"Our side, likewise.  [default: {_OURS}]")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    help="In place of --ours: read the registries by these settings, serving nobody, and compare that.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(0), help="Hosts to print.")
@click.option(
    "--confirm",
    "confirm_s",
    default="0s",
    type=_Duration(),
    help="Compare again after this time and report what differs both times: instances come and go meanwhile.",
)
@click.option("--timeout", "timeout_s", default="60s", show_default=True, type=_Duration(), help="For one page.")
@click.option("--wait", "wait_s", default="5m", show_default=True, type=_Duration(), help="For reading with --config.")
@click.option("--token", default="", type=_Reference(), help="Token of our pages: ${NAME} or file:PATH.")
@click.option("--against-token", default="", type=_Reference(), help="Token of the other side's pages, likewise.")
def diff(against: str, ours: str | None, config: Path | None, as_json: bool, limit: int, **others: object) -> None:
    """Compare what is served here with what Slime, or another replica, serves; 0 equal, 1 different, 2 trouble."""
    if ours is not None and config is not None:
        raise click.UsageError("--ours and --config exclude each other")
    from meshregistry.comparison.report import report_json, report_text  # `probe` needs none of it
    from meshregistry.side_by_side import DiffOptions, compare_sides

    options = DiffOptions(against, ours or _OURS, config, **others)  # type: ignore[arg-type]  # click's own types
    try:
        comparison = asyncio.run(compare_sides(options, os.environ))
    except* KeyboardInterrupt:
        sys.exit(EXIT_INTERRUPTED)
    except* Exception as errors:  # noqa: BLE001 - whatever it is, 1 would say that there are differences
        for line in _list_errors(errors):
            click.echo(f"error: {line}", err=True)
        sys.exit(EXIT_TROUBLE)
    click.echo(report_json(comparison) if as_json else report_text(comparison, limit), nl=False)
    sys.exit(EXIT_DIFFERENT if comparison.differences else 0)


def _list_errors(group: BaseExceptionGroup[BaseException]) -> list[str]:
    """Return one line per error, settings faults one by one."""
    lines: list[str] = []
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            lines += _list_errors(error)
        else:
            known = error.faults if isinstance(error, SettingsError) else [str(error)]
            unforeseen = [f"{type(error).__name__}: {conceal_known(str(error))}"]
            lines += known if isinstance(error, MeshRegistryError) else unforeseen
    return lines
