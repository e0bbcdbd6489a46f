"""The command that tells a committee what became of the cards."""

from __future__ import annotations

import zoneinfo
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..records.entries import milliseconds
from ..web.wire import encode
from . import periods
from .records import opened

if TYPE_CHECKING:
    from ..report.numbers import Report


@click.command("report")
@periods.options
@click.option("--rule", "rules", multiple=True, metavar="RULE", help="Only this rule; may be given several times.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.option(
    "--html", "page", type=click.Path(dir_okay=False, path_type=Path), help="Write a page with charts to this file."
)
def report_command(since: str, until: str, rules: tuple[str, ...], as_json: bool, page: Path | None) -> None:
    """Tells what became of the cards: how often rules spoke, what was accepted, overridden, left without response."""
    from ..records import database  # only now: other commands need not wait for SQLAlchemy
    from ..report import counting, terminal

    with opened() as (store, config):
        now = periods.clock(config.timezone)
        period = periods.period(since, until, now)
        try:
            with database.reading(store) as connection:
                told = counting.count(connection, period, tuple(dict.fromkeys(rules)), milliseconds(now))
        except counting.UnknownRule as error:
            raise click.BadParameter(str(error), param_hint="--rule") from error
    if page:
        _write(page, told, config.timezone)
    if as_json:
        click.echo(encode(told.to_json()))
    elif not page:
        click.echo(terminal.text(told, config.timezone))


def _write(file: Path, report: Report, zone: zoneinfo.ZoneInfo) -> None:
    try:
        from ..report.page import html  # an extra: not everybody draws
    except ImportError as error:
        raise click.ClickException(
            f"--html needs what is not installed ({error.name}): pip install 'bone-health-cds[report]'"
        ) from error
    try:
        file.write_text(html(report, zone), "utf-8")
    except OSError as error:
        raise click.ClickException(f"{file}: cannot be written: {error.strerror}") from error
    click.echo(f"{file} written.", err=True)
