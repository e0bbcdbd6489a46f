"""An amount known only as from–to, in exact arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from msgspec import Struct

ZERO = Fraction(0)


def less(a: Fraction, b: Fraction) -> bool:
    """Whether ``a < b``, for two fractions and so in half the time."""
    return a.numerator * b.denominator < b.numerator * a.denominator


def added(amounts: Sequence[Fraction]) -> Fraction:
    """The sum; of one amount itself, which needs no arithmetic."""
    return amounts[0] if len(amounts) == 1 else sum(amounts, ZERO)


def whole(amount: Fraction) -> int:
    """Half up, to whole units, of an amount that is not negative: what is shown is what is compared."""
    return (2 * amount.numerator + amount.denominator) // (2 * amount.denominator)


class DoseRange(Struct, frozen=True, gc=False):
    """From ``low`` to ``high``, both exact and not negative; ``high`` is None when nothing bounds it.

    Raises ValueError when the bounds are negative or reversed.
    """

    low: Fraction
    high: Fraction | None

    def __post_init__(self) -> None:
        high = self.high
        if self.low.numerator < 0 or (high is not None and high is not self.low and less(high, self.low)):
            raise ValueError(f"not a range: {self.low} to {self.high}")

    @classmethod
    def of(cls, value: Fraction | int) -> DoseRange:
        """The range that is one number."""
        number = value if isinstance(value, Fraction) else Fraction(value)
        return cls(number, number)

    def __add__(self, other: DoseRange) -> DoseRange:
        if other is NOTHING or self is NOTHING:
            return self if other is NOTHING else other
        low = self.low + other.low
        if self.high is self.low and other.high is other.low:
            return DoseRange(low, low)
        return DoseRange(low, None if self.high is None or other.high is None else self.high + other.high)

    def __mul__(self, other: DoseRange) -> DoseRange:
        if other.low == 1 and other.high == 1:
            return self
        if self.low == 1 and self.high == 1:
            return other
        low = self.low * other.low
        if self.high is self.low and other.high is other.low:
            return DoseRange(low, low)
        return DoseRange(low, None if self.high is None or other.high is None else self.high * other.high)

    def times(self, factor: Fraction) -> DoseRange:
        """Both bounds times a factor that is not negative."""
        return self * DoseRange(factor, factor)

    def at_most(self, cap: Fraction) -> DoseRange:
        """Neither bound above the cap."""
        return DoseRange(min(self.low, cap), cap if self.high is None else min(self.high, cap))

    def or_none(self) -> DoseRange:
        """The same amount, if any is taken at all."""
        return DoseRange(ZERO, self.high)

    def within(self, other: DoseRange) -> bool:
        """Whether the other range allows everything this one does."""
        if less(self.low, other.low):
            return False
        return other.high is None or (self.high is not None and not less(other.high, self.high))

    def meets(self, other: DoseRange) -> bool:
        """Whether some amount lies in both."""
        below = other.high is not None and less(other.high, self.low)
        return not below and (self.high is None or not less(self.high, other.low))


NOTHING = DoseRange.of(0)
ONCE = DoseRange.of(1)


def cover(ranges: Iterable[DoseRange]) -> DoseRange:
    """The smallest range that allows all of them; there must be one at least."""
    found, *others = ranges
    for other in others:
        low = other.low if less(other.low, found.low) else found.low
        if found.high is None or other.high is None:
            high = None
        else:
            high = other.high if less(found.high, other.high) else found.high
        found = DoseRange(low, high)
    return found


def total(ranges: Iterable[DoseRange]) -> DoseRange:
    """All of them together."""
    result = NOTHING
    for item in ranges:
        result += item
    return result
