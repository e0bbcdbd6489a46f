"""The free-text reader understands plain sigs and nothing else."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from fractions import Fraction
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cds_service.facts import sig_phrases
from cds_service.facts.dose_range import DoseRange
from cds_service.facts.sigs import read


def between(low: object, high: object) -> DoseRange:
    return DoseRange(Fraction(str(low)), Fraction(str(high)))


@pytest.mark.parametrize(
    ("text", "per_day"),
    [
        ("once daily", "1"),
        ("QD", "1"),
        ("every day", "1"),
        ("twice daily", "2"),
        ("BID", "2"),
        ("b.i.d.", "2"),
        ("BID with meals", "2"),
        ("three times a day", "3"),
        ("TID", "3"),
        ("3x/day", "3"),
        ("four times daily", "4"),
        ("q.i.d.", "4"),
        ("q6h", "4"),
        ("q 8 h", "3"),
        ("every 12 hours", "2"),
        ("every six hours", "4"),
        ("weekly", "1/7"),
        ("every week", "1/7"),
        ("once a week", "1/7"),
        ("twice a week", "2/7"),
        ("every 2 weeks", "1/14"),
        ("monthly", "1/30"),
        ("every other day", "1/2"),
        ("at bedtime", "1"),
        ("nightly", "1"),
        ("every morning", "1"),
        ("every morning with breakfast", "1"),
        ("in the morning and at bedtime", "2"),
        ("with breakfast, lunch and dinner", "3"),
        ("with each meal", "3"),
        ("with meals", "3"),
        ("with meals and at bedtime", "4"),
        ("three times daily with meals", "3"),
        ("0900 & 1800", "2"),
        ("at 0900", "1"),
        ("9 am and 6 pm", "2"),
        ("every Monday", "1/7"),
        ("every Monday and Thursday", "2/7"),
        ("once weekly on Sunday", "1/7"),
    ],
)
def test_a_plain_frequency_is_understood(text: str, per_day: str) -> None:
    sig = read(text)
    assert sig is not None
    assert sig.doses_per_day == between(per_day, per_day)
    assert not sig.as_needed
    assert not sig.one_off


@pytest.mark.parametrize(
    ("text", "low", "high", "unit", "per_day"),
    [
        ("2 tabs po qd", "2", "2", "1", "1"),
        ("Take 1 tablet by mouth twice daily.", "1", "1", "1", "2"),
        ("Take 1 tablet (500 mg total) by mouth 2 (two) times daily with meals.", "1", "1", "1", "2"),
        ("Take 1 capsule (50,000 Units total) by mouth once a week.", "1", "1", "1", "1/7"),
        ("take one to two capsules daily", "1", "2", "1", "1"),
        ("1-2 tablets bid", "1", "2", "1", "2"),
        ("take 1/2 tablet daily", "1/2", "1/2", "1", "1"),
        ("½ tablet daily", "1/2", "1/2", "1", "1"),
        ("half a tablet at bedtime", "1/2", "1/2", "1", "1"),
        ("one and a half tablets daily", "3/2", "3/2", "1", "1"),
        ("1 1/2 tabs daily", "3/2", "3/2", "1", "1"),
        ("1 tablet(s) daily", "1", "1", "1", "1"),
        ("Take ten tablets daily", "10", "10", "1", "1"),
        ("take 1,250 mg daily", "1250", "1250", "mg", "1"),
        ("50,000 units weekly", "50000", "50000", "[iU]", "1/7"),
        ("3 caps with each meal", "3", "3", "1", "3"),
        ("0,5 tablet daily", "0.5", "0.5", "1", "1"),
    ],
)
def test_amount_and_frequency_are_read_together(text: str, low: str, high: str, unit: str, per_day: str) -> None:
    sig = read(text)
    assert sig is not None
    assert (sig.amount, sig.unit, sig.doses_per_day) == (between(low, high), unit, between(per_day, per_day))


def test_a_frequency_can_be_a_range() -> None:
    sig = read("take 1-2 tablets every 4 to 6 hours as needed for heartburn")
    assert sig is not None
    assert (sig.amount, sig.doses_per_day, sig.as_needed) == (between(1, 2), between(4, 6), True)
    upto = read("up to 3 times daily")
    assert upto is not None
    assert upto.doses_per_day == between(0, 3)


@pytest.mark.parametrize("text", ["Q6H PRN", "every 6 hours as needed", "1 tablet every 6 hours if needed for pain"])
def test_words_for_as_needed_are_recognised(text: str) -> None:
    sig = read(text)
    assert sig is not None
    assert sig.as_needed
    assert sig.doses_per_day == between(4, 4)


def test_a_maximum_is_read_with_its_unit() -> None:
    sig = read("chew 2 tablets PRN, max 10 tablets per day")
    assert sig is not None
    assert (sig.most_per_day, sig.most_unit, sig.as_needed) == (10, "1", True)


def test_a_duration_is_read() -> None:
    sig = read("1 cap weekly for 8 weeks")
    assert sig is not None
    assert sig.days == 56


@pytest.mark.parametrize("text", ["once", "STAT", "1 tablet x1", "one time", "1 tablet once", "single dose"])
def test_a_single_dose_has_no_frequency(text: str) -> None:
    sig = read(text)
    assert sig is not None
    assert sig.one_off
    assert sig.doses_per_day is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "take by mouth",
        "as directed",
        "take daily as directed",
        "Take 1 tablet daily, then 2 tablets",
        "1 tablet daily then stop",
        "2 tablets daily, taper",
        "increase to 2 tablets daily",
        "hold if nausea",
        "1 tablet daily, hold on dialysis days",
        "1 tablet daily except Sunday",
        "alternate 1 and 2 tablets daily",
        "1 tablet not daily",
        "do not take",
        "1000 daily",
        "1 tablet daily for 3",
        "2 po bid",
        "take 1 tablet in the morning and 2 tablets at bedtime",
        "1 tablet every evening at bedtime",
        "2 tablets twice daily at bedtime",
        "1 tab once, every 6 hours",
        "1 tablet once for 3 days",
        "1 tablet every 0 hours",
        "1/0 tablet daily",
        "2-1 tablets daily",
        "1 tablet daily twice daily",
        "0 tablets daily",
        "calcium 500 mg bid",
        "1 tablet on Sunday",
        "1 tablet daily on Monday",
        "2 times 3 times daily",
        "1 tablet daily " + "and " * 100,
    ],
)
def test_anything_else_is_not_understood(text: str) -> None:
    assert read(text) is None


WORDS = [
    "take",
    "1",
    "2",
    "1/2",
    "0",
    "tablet",
    "daily",
    "twice",
    "every",
    "6",
    "hours",
    "prn",
    "then",
    "max",
    "-",
    "to",
    "or",
    "per day",
]


@given(st.lists(st.sampled_from(WORDS), max_size=12))
def test_no_combination_of_words_breaks_the_reader(words: list[str]) -> None:
    sig = read(" ".join(words))
    assert sig is None or "then" not in words


@given(st.text(max_size=320))
def test_no_text_breaks_the_reader(text: str) -> None:
    read(text)


@given(
    st.sampled_from(["then", "taper", "increase", "hold", "alternate", "except", "not", "7", "skip"]), st.integers(0, 5)
)
def test_one_word_that_changes_the_meaning_spoils_the_whole(word: str, place: int) -> None:
    words = ["take", "1", "tablet", "by mouth", "daily"]
    words.insert(place, word)
    sig = read(" ".join(words))
    assert sig is None


def vocabulary(known: object) -> Iterator[str]:
    """Every word and phrase of the table the reader works with."""
    if isinstance(known, str):
        yield known
    elif isinstance(known, dict):
        yield from (word for key, value in known.items() for word in (key, *vocabulary(value)))
    elif isinstance(known, list):
        yield from (word for item in known for word in vocabulary(item))


PHRASES = sorted(vocabulary(sig_phrases.WORDS))
OTHERS = (
    *("max 3 tablets a day", "not to exceed 3 per day", "no more than 2 tablets a day", "up to 4 mg in 24 h"),
    *("up to 3 times a day", "3 x/day", "1-2 times weekly", "every 6 hours", "each 8 h", "q12h", "q 4 to 6 hours"),
    *("for 8 weeks", "x 10 days", "for heartburn", "for pain or gas", "stat", "x 1", "single dose", "1 time only"),
    *(
        "on monday",
        "every friday and sunday",
        "each saturday",
        "every sunday",
        "every tuesday",
        "on wednesdays",
        "every thursday",
    ),
    *("08:00", "at 0800", "8 pm", "(500 mg)", "2 tablets", "8", "b.i.d.", ",", "-", "٣", "½"),
)
texts = st.builds(
    lambda pieces, between: between.join(pieces),
    st.lists(st.sampled_from(PHRASES) | st.sampled_from(WORDS) | st.sampled_from(OTHERS), max_size=9),
    st.sampled_from([" ", " ", "", ", "]),
)


@given(texts | st.text(max_size=60))
def test_a_text_says_the_same_whether_or_not_phrases_are_passed_over(text: str) -> None:
    found = read(text)
    with patch.object(sig_phrases.Phrase, "may_be_in", lambda _phrase, _text: True):
        assert read(text) == found


def test_a_phrase_is_passed_over_only_where_it_cannot_be_found() -> None:
    chance = random.Random(1)
    words = [*PHRASES, *WORDS, *OTHERS, *OTHERS]
    phrases = {name: known for name, known in vars(sig_phrases).items() if isinstance(known, sig_phrases.Phrase)}
    found: Counter[str] = Counter()
    for _ in range(4000):
        text = chance.choice((" ", " ", ", ", "")).join(chance.choices(words, k=chance.randint(1, 8)))
        for name, phrase in phrases.items():
            if phrase.pattern.search(text):
                found[name] += 1
                assert phrase.may_be_in(text), (name, text)
    assert min(found[name] for name in phrases) >= 20, found
