"""An amount known only as from–to, in exact arithmetic."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from msgspec import Struct

ZERO = Fraction(0)


class DoseRange(Struct, frozen=True, gc=False):
    """From ``low`` to ``high``, both exact and not negative; ``high`` is None when nothing bounds it.

    Raises ValueError when the bounds are negative or reversed.
    """

    low: Fraction
    high: Fraction | None

    def __post_init__(self) -> None:
        if self.low.numerator < 0 or (self.high is not None and self.high is not self.low and self.high < self.low):
            raise ValueError(f"not a range: {self.low} to {self.high}")

    @classmethod
    def of(cls, value: Fraction | int) -> DoseRange:
        """The range that is one number."""
        number = Fraction(value)
        return cls(number, number)

    def __add__(self, other: DoseRange) -> DoseRange:
        low = self.low + other.low
        if self.high is self.low and other.high is other.low:
            return DoseRange(low, low)
        return DoseRange(low, None if self.high is None or other.high is None else self.high + other.high)

    def __mul__(self, other: DoseRange) -> DoseRange:
        low = self.low * other.low
        if self.high is self.low and other.high is other.low:
            return DoseRange(low, low)
        return DoseRange(low, None if self.high is None or other.high is None else self.high * other.high)

    def times(self, factor: Fraction) -> DoseRange:
        """Both bounds times a factor that is not negative."""
        return self * DoseRange.of(factor)

    def at_most(self, cap: Fraction) -> DoseRange:
        """Neither bound above the cap."""
        return DoseRange(min(self.low, cap), cap if self.high is None else min(self.high, cap))

    def or_none(self) -> DoseRange:
        """The same amount, if any is taken at all."""
        return DoseRange(ZERO, self.high)

    def within(self, other: DoseRange) -> bool:
        """Whether the other range allows everything this one does."""
        if self.low < other.low:
            return False
        return other.high is None or (self.high is not None and self.high <= other.high)

    def meets(self, other: DoseRange) -> bool:
        """Whether some amount lies in both."""
        return (other.high is None or self.low <= other.high) and (self.high is None or other.low <= self.high)


def cover(ranges: Iterable[DoseRange]) -> DoseRange:
    """The smallest range that allows all of them; there must be one at least."""
    known = list(ranges)
    highs = [r.high for r in known]
    bounded = [h for h in highs if h is not None]
    return DoseRange(min(r.low for r in known), max(bounded) if len(bounded) == len(highs) else None)


def total(ranges: Iterable[DoseRange]) -> DoseRange:
    """All of them together."""
    result = DoseRange.of(0)
    for item in ranges:
        result += item
    return result
