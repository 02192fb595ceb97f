"""`meshregistry admin`: an operator's decisions, handed to a running service on its socket."""

import os
import pwd
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from meshregistry.errors import SettingsError

if TYPE_CHECKING:
    from meshregistry.admin.protocol import Answer
    from meshregistry.store.holds import HoldReport

_EXIT_FAILED = 1
_EXIT_USAGE = 2


@dataclass(frozen=True, slots=True)
class Desk:
    """Where to ask, and as whom."""

    socket: Path
    by: str
    timeout_s: float
    as_json: bool

    def ask(self, command: str, subject: str = "") -> None:
        """Hand over a request and print what came of it; exits with 1 when nothing did."""
        from meshregistry.admin.client import AdminUnreachableError, ask  # other commands start without these
        from meshregistry.admin.protocol import Command, Request, write_answer

        try:
            answer = ask(self.socket, Request(Command(command), subject, self.by), self.timeout_s)
        except AdminUnreachableError as error:
            _fail(str(error), _EXIT_FAILED)
        if answer.error:
            _fail(answer.error, _EXIT_FAILED)
        if answer.warning:
            click.echo(f"warning: {answer.warning}", err=True)
        if self.as_json:
            click.echo(write_answer(answer).decode(), nl=False)
        else:
            click.echo("\n".join([answer.done] if answer.done else _print_state(answer)))


@click.group()
@click.option("--socket", type=click.Path(path_type=Path), help="The service's socket.")
@click.option("--config", type=click.Path(path_type=Path), help="The service's settings, which say where it is.")
@click.option("--by", default="", help="Who decides, for the journal; your user name by default.")
@click.option("--timeout", "timeout_s", default=10.0, show_default=True, help="Seconds to wait for the answer.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@click.pass_context
def admin(
    context: click.Context, socket: Path | None, config: Path | None, by: str, timeout_s: float, *, as_json: bool
) -> None:
    """Decide about held shrinks of a running service, freeze, thaw, serve anyway, read again.

    Needs --socket or --config. What is decided reaches the service's siblings too.
    """
    if (socket is None) == (config is None):
        raise click.UsageError("give either --socket or --config")
    context.obj = Desk(socket or _find_socket(config or Path()), by or _user_name(), timeout_s, as_json)


@admin.command()
@click.pass_obj
def holds(desk: Desk) -> None:
    """List held shrinks, what is frozen, and sources that are waited for."""
    desk.ask("holds")


@admin.command()
@click.argument("hold")
@click.pass_obj
def accept(desk: Desk, hold: str) -> None:
    """Let a held shrink happen now."""
    desk.ask("accept", hold)


@admin.command()
@click.argument("hold")
@click.pass_obj
def reject(desk: Desk, hold: str) -> None:
    """Keep a held shrink until the registry brings it back or somebody accepts it."""
    desk.ask("reject", hold)


@admin.command()
@click.argument("target")
@click.pass_obj
def freeze(desk: Desk, target: str) -> None:
    """Let nothing shrink in a source, a scope such as nacos/public/DEFAULT_GROUP, or `everything`."""
    desk.ask("freeze", target)


@admin.command()
@click.argument("target")
@click.pass_obj
def thaw(desk: Desk, target: str) -> None:
    """End a freeze; what left meanwhile goes, or is held by the mass rule where it is much."""
    desk.ask("thaw", target)


@admin.command("serve-anyway")
@click.pass_obj
def serve_anyway(desk: Desk) -> None:
    """Serve what is known although sources have not been read: what is missing is deleted in every istiod."""
    desk.ask("serve-anyway")


@admin.command()
@click.argument("source")
@click.pass_obj
def read(desk: Desk, source: str) -> None:
    """Have a source (nacos, eureka, zookeeper, files) or `everything` read in full now."""
    desk.ask("read", source)


def _find_socket(config: Path) -> Path:
    from meshregistry.reload import open_settings  # the server rooms take a second to import; --socket needs none
    from meshregistry.wiring_admin import admin_options

    try:
        path = admin_options(open_settings(config, os.environ).loaded.settings).path
    except SettingsError as error:
        _fail(f"{config}: " + "; ".join(error.faults), _EXIT_USAGE)
    if not path:
        _fail(f"{config}: no admin socket: admin.enabled is off, or there is no data_dir", _EXIT_USAGE)
    return Path(path)


def _user_name() -> str:
    """Return the name of the user, at most as long as a request may have it; "" for one without a name."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name[:64]
    except KeyError:
        return ""


def _print_state(answer: "Answer") -> list[str]:
    lines = [line for hold in answer.holds for line in _print_hold(hold)]
    lines += [f"{answer.more} more holds"] if answer.more else []
    lines += [f"frozen: {target}" for target in answer.frozen]
    lines += [f"nothing is served before it has been read: {source}" for source in answer.pending]
    lines += answer.stale
    return lines or ["nothing is held, frozen or waited for"]


def _print_hold(hold: "HoldReport") -> list[str]:
    rejected = ", rejected" if hold.rejected else ""
    hosts = ", ".join(hold.hosts)
    return [
        f"hold {hold.id}  {hold.cause}{rejected}  {hold.scope}",
        f"  {hold.before} endpoints before, {hold.now} named by the registry now, {hold.held} only held",
        f"  held for {hold.age_s:.0f} s, confirmed for {hold.confirmed_s:.0f} s",
        *([f"  hosts {hosts}"] if hosts else []),
    ]


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"error: {message}", err=True)
    sys.exit(code)
