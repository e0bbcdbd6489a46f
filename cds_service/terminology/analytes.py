"""Which laboratory test a name means, for results that carry no LOINC code."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files

_SPACES = re.compile(r"\s+")


@cache
def _patterns() -> tuple[tuple[str, re.Pattern[str]], ...]:
    document = json.loads(files(__package__).joinpath("analytes.json").read_text("utf-8"))
    return tuple((item["valueSet"], re.compile(item["pattern"])) for item in document["patterns"])


def analyte(name: str) -> str | None:
    """The value set to which a test of this name belongs; "" for one known to be of no interest, None for a name that
    says nothing to us.
    """
    folded = _SPACES.sub(" ", name).strip().casefold()
    for value_set, pattern in _patterns():
        if value_set and pattern.fullmatch(folded):
            return value_set
        if not value_set and pattern.search(folded):
            return ""
    return None
