"""What any Flask service would cost: it reads the same bodies with the same JSON library and says one fixed card."""

from __future__ import annotations

import click
import jiter
import msgspec
from flask import Flask, Response, request

from cds_service.config import Config
from cds_service.web.server import serve

PATH = "/cds-services/floor"
SUMMARY = "A card that is always the same"
_CARD = {
    "uuid": "4e0a3b1e-8b1a-4f0e-9d0b-2f6c8f3f7a11",
    "summary": SUMMARY,
    "indicator": "info",
    "source": {"label": "Floor"},
}


def create_app() -> Flask:
    """The application."""
    app = Flask(__name__, static_folder=None)
    encoder = msgspec.json.Encoder(decimal_format="number")

    @app.post(PATH)
    def call() -> Response:
        # As exact_json.parse calls it, without the checks that come after.
        jiter.from_json(request.get_data(), float_mode="decimal", catch_duplicate_keys=True, allow_inf_nan=False)
        return Response(encoder.encode({"cards": [_CARD]}), content_type="application/json")

    return app


@click.command()
@click.option("--port", type=int, required=True)
@click.option("--workers", type=int, required=True)
def main(port: int, workers: int) -> None:
    """Serves the floor on loopback with the server that the service has."""
    serve(create_app(), host="127.0.0.1", port=port, workers=workers, max_body=Config().max_body)


if __name__ == "__main__":
    main()
