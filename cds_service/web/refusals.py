"""Why a caller is not let in."""

from __future__ import annotations


class Unauthenticated(Exception):
    """Nobody we know, or nothing that shows it. Why is for the log alone."""


class Forbidden(Exception):
    """A client we know, for a tenant or a service that it has not been given."""


class TooManyCalls(Exception):
    """A client has called more often than it may; ``seconds`` until it may again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"again in {seconds} seconds")
        self.seconds = seconds
