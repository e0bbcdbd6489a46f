"""Example requests as an EHR would send them today: their dates are made when they are asked for."""

from __future__ import annotations

import datetime
import json
import re
import uuid
from importlib.resources import files
from typing import Any

# {today}, {today-21d}: a day relative to the one on which the example is made.
_DAY = re.compile(r"\{today(?:([+-]\d+)d)?\}")


def names() -> tuple[str, ...]:
    """The names of all examples."""
    folder = files(__package__)
    return tuple(sorted(f.name.removesuffix(".json") for f in folder.iterdir() if f.name.endswith(".json")))


def example(name: str, today: datetime.date) -> dict[str, Any]:
    """The request of this name, as of ``today``, with a new hookInstance; KeyError when there is none."""
    file = files(__package__).joinpath(f"{name}.json")
    if not file.is_file():
        raise KeyError(name)

    def day(match: re.Match[str]) -> str:
        return (today + datetime.timedelta(days=int(match.group(1) or 0))).isoformat()

    request: dict[str, Any] = json.loads(_DAY.sub(day, file.read_text("utf-8")))
    request["hookInstance"] = str(uuid.uuid4())
    return request
