"""Commands on the records: their tables brought up to date, purged, exported."""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
import msgspec

from ..config import Config, ConfigError, from_environment
from ..records import StoreDown, WrongDatabase
from ..records.entries import milliseconds
from . import periods

if TYPE_CHECKING:
    from sqlalchemy import Engine


@contextmanager
def opened(*, made: bool = True) -> Iterator[tuple[Engine, Config]]:
    """The database of CDS_RECORDS, which must be there and up to date where it is ``made``; its faults, told."""
    from ..records import database  # here and below: other commands need not wait for SQLAlchemy

    try:
        config = from_environment(os.environ)
        if not config.records:
            raise click.ClickException("CDS_RECORDS is off: nothing is recorded. Set it to the database of records.")
        store = database.engine(config.records)
    except ConfigError as error:
        raise click.ClickException(str(error)) from error
    except WrongDatabase as error:
        raise click.ClickException(f"CDS_RECORDS: {error}") from error
    name = store.url.render_as_string(hide_password=True)
    try:
        if made and not database.is_there(store):
            raise click.ClickException(
                f"CDS_RECORDS: {name} is not there: nothing was recorded yet, or it is in another folder."
            )
        if made and not database.is_current(store):
            raise click.ClickException(f"CDS_RECORDS: the tables of {name} are not up to date: run records migrate.")
        yield store, config
    except StoreDown as error:
        raise click.ClickException(f"CDS_RECORDS: {name} cannot be used now: {error}") from error
    finally:
        store.dispose()


@click.group("records")
def records_group() -> None:
    """What was answered and what became of it: tables, purge, export."""


@records_group.command("migrate")
def migrate_command() -> None:
    """Brings the tables of CDS_RECORDS up to date."""
    from ..records import database

    with opened(made=False) as (store, _):
        before, after = database.migrate(store)
    name = store.url.render_as_string(hide_password=True)
    told = "is up to date already" if before == after else f"was {before or 'without tables'}, is now"
    click.echo(f"{name} {told}: {after}")


@records_group.command("purge")
@click.option("--older-than", required=True, metavar="SPAN", help="30d, 8w, 6m (months) or 6y.")
@click.option("--dry-run", is_flag=True, help="Says how much would be deleted, and deletes nothing.")
@click.option("--yes", is_flag=True, help="Does not ask.")
def purge_command(older_than: str, dry_run: bool, yes: bool) -> None:
    """Deletes calls with their cards, and feedback, older than a span."""
    from ..records import database

    with opened() as (store, config):
        try:
            limit = periods.before(periods.clock(config.timezone), older_than)
        except ValueError as error:
            raise click.BadParameter(f"{older_than!r}: {error}", param_hint="--older-than") from error
        instant = milliseconds(limit)
        told = f"from before {limit:%Y-%m-%d %H:%M} ({config.timezone.key})"
        calls, said = database.older(store, instant)
        if dry_run or not (calls or said):
            would = "would be deleted" if dry_run else "are there: nothing to delete"
            click.echo(f"{_amount(calls, said)} {told} {would}.")
            return
        if not yes:
            click.confirm(f"Delete {_amount(calls, said)} {told}?", abort=True)
        click.echo(f"{_amount(*database.purge(store, instant))} {told} deleted.")


def _amount(calls: int, said: int) -> str:
    return f"{calls:,} calls with their cards and {said:,} feedback entries"


@records_group.command("export")
@periods.options
@click.option(
    "--format",
    "form",
    type=click.Choice(["ndjson", "csv"]),
    default="ndjson",
    show_default=True,
    help="ndjson: a line for each card, whole; csv: each feedback with the fields of 45 CFR 170.315(b)(11)(ii)(C).",
)
def export_command(since: str, until: str, form: str) -> None:
    """Writes records to standard output."""
    from ..records import database, export

    with opened() as (store, config):
        period = periods.period(since, until, periods.clock(config.timezone))
        out = io.TextIOWrapper(sys.stdout.buffer, "utf-8", newline="")
        try:
            with database.reading(store) as connection:
                if form == "csv":
                    lines = csv.writer(out)
                    lines.writerow(export.FIELDS)
                    lines.writerows(export.feedback_rows(connection, period))
                else:
                    cards = export.cards(connection, period)
                    out.writelines(f"{msgspec.json.encode(card).decode()}\n" for card in cards)
            out.flush()
        finally:
            # Standard output stays open for whoever has it.
            out.detach()
