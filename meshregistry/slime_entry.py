"""The program that Slime's operator starts in our image: `/manager`, with Slime's arguments and Slime's file.

Source: slime-boot's chart (command `/manager`, volume at /etc/slime/config) and Slime framework/bootstrap/config.go.
"""

from pathlib import Path

import click

from meshregistry.cli import start

CONFIG_PATH = Path("/etc/slime/config/cfg")


@click.command(context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
@click.option("--config", "path", default=CONFIG_PATH, type=click.Path(dir_okay=False, path_type=Path), hidden=True)
@click.pass_context
def manager(context: click.Context, path: Path) -> None:
    """Start the service as Slime's manager; Slime's own arguments are accepted and change nothing."""
    for argument in context.args:
        click.echo(f"warning: argument {argument}: without effect, settings come from {path}", err=True)
    start(path)
