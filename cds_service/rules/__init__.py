"""Finds every rule in this package: each module below it that declares one."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path

from .rule import Rule

PHRASES = Path(__file__).with_name("phrases.json")


def all_rules() -> Mapping[str, Rule]:
    """Every rule that exists, in service or not, by id."""
    found: dict[str, Rule] = {}
    for module_info in pkgutil.walk_packages(__path__, f"{__name__}."):
        module = importlib.import_module(module_info.name)
        for value in vars(module).values():
            if isinstance(value, Rule) and value.function.__module__ == module_info.name:
                found[value.id] = value
    return found
