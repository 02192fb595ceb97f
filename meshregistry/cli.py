"""The command line: parse arguments, load settings, choose the event loop, run.

Exit codes: 0, 1 (failed), 2 (wrong usage or settings).
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from meshregistry import __version__
from meshregistry.cli_admin import admin
from meshregistry.cli_diff import diff
from meshregistry.collector import stop_collecting
from meshregistry.errors import ListenError, SettingsError
from meshregistry.telemetry.logs import conceal_in_tracebacks, configure_logs

if TYPE_CHECKING:
    from meshregistry.reload import SettingsOrigin
    from meshregistry.settings.load import Loaded

_log = logging.getLogger(__name__)

EXIT_FAILED = 1
EXIT_USAGE = 2


@click.group()
@click.version_option(__version__, prog_name="meshregistry")
def main() -> None:
    """Bring services registered in Nacos, ZooKeeper and Eureka into an Istio mesh."""


@main.command()
@click.option(
    "--config",
    "path",
    required=True,
    type=click.Path(path_type=Path),
    help="Settings file, or a folder with `cfg_meshregistry` or `cfg`.",
)
@click.option("--shadow", is_flag=True, help="Read and show everything, but serve nobody.")
def run(path: Path, shadow: bool) -> None:
    """Start the service and run until SIGTERM or SIGINT; it follows changes of the settings file."""
    start(path, is_shadow=shadow)


def start(path: Path, *, is_shadow: bool = False) -> NoReturn:
    """Run the service with the settings in a file, then exit; a shadow serves nobody, whatever the file says."""
    prepare_process()
    stop_collecting()
    from meshregistry.app import serve  # the server rooms take half a second to import; `probe` needs none of them
    from meshregistry.descriptors import raise_limit
    from meshregistry.settings.secrets import list_secrets

    origin = _open(path, is_shadow=is_shadow)
    log = origin.loaded.settings.log
    configure_logs(level=log.level, as_json=log.format == "json")
    conceal_in_tracebacks(list_secrets(origin.loaded.settings))
    _print_lines("warning", origin.loaded.warnings)
    raise_limit(origin.loaded.settings)
    try:
        _run_loop(serve(origin))
    except Exception:  # noqa: BLE001 - the edge: Python would print the traceback, and whatever secret is in its texts
        _log.exception("app.crashed")
        sys.exit(EXIT_FAILED)


def prepare_process() -> None:
    """Make sure that a SIGHUP ends no start, and that no socket becomes a standard stream.

    The settings are read after this, so that an early SIGHUP asks for nothing. uvloop aborts at its end when one of
    its sockets took the place of a stream that was closed; libraries would write their errors into it.
    """
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number


@main.command("check-config")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--slime", is_flag=True, help="Print what will differ from Slime with this file instead.")
def check_config(path: Path, slime: bool) -> None:
    """Print the effective settings without secrets, or every fault of the file."""
    from meshregistry.settings.render import render_settings

    loaded = _load(path)
    if slime:
        _print_differences(loaded)
        return
    _print_lines("warning", loaded.warnings)
    click.echo(render_settings(loaded.settings), nl=False)


def _print_differences(loaded: "Loaded") -> None:
    """Print what differs from Slime; a part without anything is left out."""
    from meshregistry.settings.differences import find_differences

    found = find_differences(loaded)
    parts = (
        ("Defaults that the file relies on and that are others here", found.defaults),
        ("Keys that the file sets and that mean something else here", found.keys),
        ("Without effect, or worth a warning", loaded.warnings),
        ("What is different whatever the file says", found.behaviours),
    )
    for title, lines in parts:
        if lines:
            click.echo("\n".join([f"{title}:", *(f"- {line}" for line in lines), ""]))


@main.command()
@click.option("--url", default="http://127.0.0.1:8081/modules/livez", show_default=True, help="Page to ask.")
@click.option("--timeout", "timeout_s", default=2.0, show_default=True, help="Seconds to wait for the answer.")
def probe(url: str, timeout_s: float) -> None:
    """Exit with 0 when the running service answers its health page, with 1 otherwise."""
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=timeout_s):
            pass
    except (OSError, ValueError) as error:
        click.echo(f"error: {url}: {error}", err=True)
        sys.exit(EXIT_FAILED)


@main.command("config-sources")
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--host", default="meshregistry.mesh-operator", show_default=True, help="Name under which istiod finds us."
)
def config_sources(path: Path, host: str) -> None:
    """Print the entries for istiod's mesh configuration, one per shard."""
    mcp = _load(path).settings.mcp
    first = mcp.listen().port
    click.echo("configSources:")
    for port in range(first, first + mcp.shards):
        click.echo(f"- address: xds://{host}:{port}")
    click.echo("- address: k8s://")


@main.command()
@click.argument("target", metavar="HOST:PORT")
@click.option(
    "--istio", "family", default="1.24", show_default=True, help="Version family to imitate: 1.18, 1.24, 1.30."
)
@click.option("--revision", default="", help="istiod's revision (ISTIO_REVISION).")
def watch(target: str, family: str, revision: str) -> None:
    """Connect as istiod does and print what would happen in the mesh."""
    from meshregistry.watch.command import WatchOptions
    from meshregistry.watch.command import watch as watch_target

    try:
        _run_loop(watch_target(WatchOptions(target, family, revision), click.echo))
    except ValueError as error:
        raise click.UsageError(str(error)) from error


@main.command()
@click.option(
    "--registry",
    type=click.Choice(["nacos", "zookeeper", "eureka", "all"]),
    default="nacos",
    show_default=True,
    help="Which registry is simulated.",
)
@click.option("--nacos-port", default=8848, show_default=True, help="Port of the simulated Nacos.")
@click.option("--zookeeper-port", default=2181, show_default=True, help="Port of the simulated ZooKeeper.")
@click.option("--zookeeper-control-port", default=2182, show_default=True, help="HTTP port that changes its nodes.")
@click.option("--eureka-port", default=8761, show_default=True, help="Port of the simulated Eureka.")
@click.option("--ads-port", default=16010, show_default=True, help="Port of the ADS server.")
@click.option("--http-port", default=8081, show_default=True, help="Port of the pages.")
def demo(registry: str, **ports: int) -> None:
    """Run everything on embedded simulated registries, with a mesh client attached."""
    from meshregistry.demo import REGISTRIES, DemoPorts, run_demo

    configure_logs(level="warning", as_json=False)
    names = REGISTRIES if registry == "all" else (registry,)
    where = DemoPorts(**{name.removesuffix("_port"): port for name, port in ports.items()})
    _run_loop(run_demo(names, where, click.echo))


main.add_command(admin)
main.add_command(diff)


def _load(path: Path) -> "Loaded":
    return _open(path).loaded


def _open(path: Path, *, is_shadow: bool = False) -> "SettingsOrigin":
    """Return what `run` can run, or print every fault and exit."""
    from meshregistry.reload import open_settings  # as in `run`

    try:
        return open_settings(path, os.environ, is_shadow=is_shadow)
    except SettingsError as error:
        _print_lines(f"error: {path}", error.faults)
    sys.exit(EXIT_USAGE)


def _run_loop(work: Coroutine[object, object, None]) -> NoReturn:
    """Run to the end on uvloop where it is installed; a port that cannot be opened ends with its message."""
    code = 0
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(work)
    except* KeyboardInterrupt:
        click.echo("stopped", err=True)
    except* ListenError as errors:
        _print_lines("error", [str(error) for error in errors.exceptions])
        code = EXIT_FAILED
    sys.exit(code)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _print_lines(prefix: str, lines: list[str]) -> None:
    for line in lines:
        click.echo(f"{prefix}: {line}", err=True)
