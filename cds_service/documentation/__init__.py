"""What a committee reads: the trace from guideline to rule, the register of rules, one rule in full, sample cards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from .register import Register


class View(Protocol):
    """One way of showing the knowledge: a module of this package."""

    def document(self, register: Register, rule: str) -> dict[str, Any]:
        """For machines; ``rule`` is "" where all rules are meant."""

    def markdown(self, document: Mapping[str, Any], register: Register) -> str:
        """The same for people."""
