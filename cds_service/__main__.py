"""The command line: run, check, example, evaluate, knowledge, build-sheet, terminology, records, report."""

from __future__ import annotations

import dataclasses
import datetime
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from . import __version__
from .catalogue import Catalogue
from .clients import ClientsError, is_loopback, load_clients
from .command_line.records import records_group
from .command_line.report import report_command
from .config import Config, ConfigError, from_environment
from .documentation import View, build_sheet, overview, reading, samples
from .documentation.register import Register
from .evaluation import Evaluation, evaluate, render
from .examples import example, names
from .manifest import ManifestError, load_catalogue
from .metrics import share
from .silent_mode import due as silence_due
from .terminology import TerminologyError
from .terminology.rxnorm import import_rxnorm
from .web import create_app
from .web.server import serve
from .web.trust import clients_of
from .web.wire import NotJson, encode, parse


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """CDS Hooks service for orders that touch bone and mineral metabolism."""


@contextmanager
def _told() -> Iterator[None]:
    """What is wrong with the clients or the settings, as the command line says it."""
    try:
        yield
    except ClientsError as error:
        raise click.ClickException("\n" + "\n".join(error.problems)) from error
    except ConfigError as error:
        raise click.ClickException(str(error)) from error


def _configured() -> Config:
    with _told():
        return from_environment(os.environ)


def _catalogue(config: Config) -> Catalogue:
    try:
        return load_catalogue(config.manifest, config.rxnorm)
    except ManifestError as error:
        raise click.ClickException("\n" + "\n".join(error.problems)) from error


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 64), help="Worker processes.")
def run(host: str, port: int, workers: int) -> None:
    """Starts the service."""
    config = _decided(_configured(), host)
    catalogue = _catalogue(config)
    share()
    with _told():
        app = create_app(config, catalogue)
    for line in _silence(catalogue, datetime.datetime.now(config.timezone).date()):
        click.secho(f"WARNING: {line}", bold=True)
    click.echo(f"Bone-health CDS Hooks service {__version__} on http://{host}:{port}/cds-services")
    if config.development:
        click.secho("DEVELOPMENT: clients whose private keys everybody has may be let in.", bold=True)
    if config.auth == "off":
        click.secho("CALLERS ARE NOT AUTHENTICATED: whoever reaches this address may use it.", bold=True)
        click.echo(
            "Keep it on loopback or behind a gateway that authenticates; or set CDS_CLIENTS (docs/connecting.md)."
        )
        click.echo("Try, in another terminal:\n")
        click.echo(f"  {_program()} example zoledronic-acid-deficient |")
        url = f"http://{host}:{port}/cds-services/bone-health-order-sign"
        click.echo(f"    curl -s -H 'Content-Type: application/json' -d @- {url}\n")
    serve(app, host=host, port=port, workers=workers, max_body=config.max_body, later=app.later)


def _decided(config: Config, host: str) -> Config:
    """Without a word about callers: open for this machine, closed for every other."""
    if config.auth or config.clients:
        return config
    if not is_loopback(host):
        raise click.ClickException(
            f"--host {host}: others than this machine could call, and it is not said who may.\n"
            "Set CDS_CLIENTS to the file of clients that may call (docs/connecting.md), or CDS_AUTH=off if a gateway "
            "authenticates them."
        )
    return dataclasses.replace(config, auth="off")


def _program() -> str:
    """How the reader can call this program: by the path it was called with, if that is a file."""
    called = Path(sys.argv[0])
    if called.name == "cds-service" and called.is_file():
        try:
            return str(called.resolve().relative_to(Path.cwd()))
        except ValueError:
            return str(called)
    return "python -m cds_service"


def _silence(catalogue: Catalogue, today: datetime.date) -> Iterator[str]:
    for mode, left in silence_due(catalogue.silent_modes, today):
        ends = f"ENDED {-left} days ago; it stays silent until somebody decides" if left < 0 else f"ends in {left} days"
        yield f"{mode} {ends}"


@main.command()
def check() -> None:
    """Checks manifest, knowledge, value sets and clients; says whose review is due and which silent mode ends."""
    config = _configured()
    catalogue = _catalogue(config)
    known = ""
    if config.clients:
        with _told():
            clients = clients_of(config, [service.id for service in catalogue.services])
        known = f", {len(clients.known)} clients"
    today = datetime.datetime.now(config.timezone).date()
    rules = {r.rule.id: r.knowledge for entry in catalogue.entries for r in entry.rules}
    for knowledge in (*rules.values(), *catalogue.shared.values()):
        due = knowledge.next_review_date
        overdue = f"; REVIEW DUE since {due}" if due and due < today else ""
        click.echo(f"{knowledge.id} {knowledge.version}: approved {knowledge.approval_date}{overdue}")
    for line in _silence(catalogue, today):
        click.echo(line)
    ended = [mode for mode, left in silence_due(catalogue.silent_modes, today) if left < 0]
    if ended:
        raise click.ClickException("silent mode has ended; set another day under site.silent, or take the entry out")
    click.echo(
        f"{len(catalogue.entries)} services, {len(rules)} rules, "
        f"{len(catalogue.terminology.value_sets)} value sets{known}: sound."
    )


@main.command("example")
@click.argument("name", type=click.Choice(names()))
def example_command(name: str) -> None:
    """Prints an example request, its dates counted from today."""
    click.echo(encode(example(name, datetime.datetime.now(_configured().timezone).date())))


@main.command("evaluate")
@click.argument(
    "request_file", type=click.Path(dir_okay=False, path_type=Path, allow_dash=True), metavar="REQUEST.json"
)
@click.option(
    "--service", "service_id", default="", help="Service id; by default the first one for the request's hook."
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def evaluate_command(request_file: Path, service_id: str, as_json: bool) -> None:
    """Evaluates a saved request: outcomes, the facts they rest on, what was repaired or missing, the cards."""
    config = _configured()
    try:
        data = sys.stdin.buffer.read() if str(request_file) == "-" else request_file.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{request_file}: cannot be read: {error.strerror}") from error
    result: Evaluation
    try:
        body: dict[str, Any] = parse(data)
        now = datetime.datetime.now(datetime.UTC)
        result = evaluate(_catalogue(config), body, service_id, now, config.timezone)
    except (NotJson, ValueError) as error:
        raise click.ClickException(f"{request_file}: {error}") from error
    click.echo(encode(result.to_json()) if as_json else render(result))


@main.command("knowledge")
@click.argument("rule", default="")
@click.option("--cards", is_flag=True, help="Every outcome as the card a clinician would see, with sample values.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.option(
    "--vignettes",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of vignettes to be counted; by default the one of the checkout.",
)
def knowledge_command(rule: str, cards: bool, as_json: bool, vignettes: Path | None) -> None:
    """Prints what the service knows: the trace from guideline to rules, or one RULE in full."""
    register = Register.of(_catalogue(_configured()), vignettes)
    known = tuple(register.rules if cards else register)
    if rule and rule not in known:
        raise click.ClickException(f"there is no rule {rule!r}; known: {', '.join(known)}")
    view: View = samples if cards else reading if rule else overview
    document = view.document(register, rule)
    click.echo(encode(document) if as_json else view.markdown(document, register), nl=as_json)


@main.command("build-sheet")
@click.option("--client", "id_", default="", help="Id of a client in CDS_CLIENTS; by default the sheet is for any.")
@click.option("--ehr", type=click.Choice(list(build_sheet.facts()["ehrs"])), help="Adds what is known of this EHR.")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def build_sheet_command(id_: str, ehr: str | None, as_json: bool) -> None:
    """Prints what is typed into an EHR: addresses, tokens, prefetch, scopes, limits, override reasons."""
    config = _configured()
    catalogue = _catalogue(config)
    client, protected = None, False
    if config.clients:
        with _told():
            known = load_clients(config.clients, [s.id for s in catalogue.services], config.development)
        protected = known.protect_discovery
        clients = {c.id: c for c in (*known.known, known.anonymous)}
        if id_ and id_ not in clients:
            raise click.ClickException(f"there is no client {id_!r}; known: {', '.join(clients)}")
        client = clients.get(id_)
    elif id_:
        raise click.ClickException(f"--client {id_}: set CDS_CLIENTS to the file of clients")
    document = build_sheet.document(catalogue, config, client, protected=protected, ehr=ehr or "")
    click.echo(encode(document) if as_json else build_sheet.markdown(document), nl=as_json)


@main.group()
def terminology() -> None:
    """Terminologies that a site adds."""


@terminology.command("import-rxnorm")
@click.argument("source", type=click.Path(exists=True, path_type=Path), metavar="PATH")
@click.option(
    "--to", "target", type=click.Path(dir_okay=False, path_type=Path), default=Path("rxnorm.sqlite"), show_default=True
)
def import_rxnorm_command(source: Path, target: Path) -> None:
    """Imports NLM's current prescribable RxNorm files (folder or zip) into one index file."""
    try:
        summary = import_rxnorm(source, target)
    except TerminologyError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{summary}\nSet CDS_RXNORM={target} to use it.")


main.add_command(records_group)
main.add_command(report_command)


if __name__ == "__main__":
    main()
