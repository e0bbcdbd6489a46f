"""JSON in and out."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from pathlib import Path

import pytest

from cds_service.config import Config
from cds_service.web import wire

from .protocol import ORDER_SIGN, client, is_outcome, order_sign, post

REFUSED = Path(__file__).parent.parent / "fixtures" / "refused"
EXPECTED: dict[str, int] = json.loads((REFUSED / "expected.json").read_text(encoding="utf-8"))


def test_every_refused_body_has_its_expectation() -> None:
    assert {path.name for path in REFUSED.glob("*.txt")} == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_what_has_no_meaning_is_refused(name: str) -> None:
    """SVC-051 to 054, SVC-066, SVC-070 to 077, SVC-085, SVC-086."""
    response = client().post(ORDER_SIGN, data=(REFUSED / name).read_bytes(), content_type="application/json")
    assert response.status_code == EXPECTED[name], response.get_data(as_text=True)
    assert is_outcome(response, "somebody-else", "order-dispatch")


def test_decimals_stay_exact_both_ways() -> None:
    document = wire.parse(b'{"a": 1.10, "b": 0.1, "c": 1E+5}')
    assert document == {"a": Decimal("1.10"), "b": Decimal("0.1"), "c": Decimal("1E+5")}
    assert wire.write(document).get_data() == b'{"a":1.10,"b":0.1,"c":1E+5}'


def test_a_byte_order_mark_is_skipped() -> None:
    """CLI-025."""
    assert wire.parse(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_an_error_gives_the_position_and_not_the_content() -> None:
    with pytest.raises(wire.NotJson, match=r"twice in one object \(line 2, column \d+\)") as caught:
        wire.parse(b'{"Smith": 1,\n"Smith": 2}')
    assert "Smith" not in str(caught.value)


@pytest.mark.parametrize(
    "number",
    [
        "1" * 100,
        "0." + "1" * 99,
        "1e99",
        "-1E-99",
        "1e200",
        "1e-200",
        "-" + "9" * 100,
        "0.1000000000000000055511151231",
    ],
)
def test_numbers_that_can_be_computed_with_are_read(number: str) -> None:
    assert wire.parse(b'{"a":[%s]}' % number.encode()) == {"a": [Decimal(number)]}


@pytest.mark.parametrize(
    "number", ["1" * 101, "-" + "1" * 101, "0." + "1" * 101, "1e201", "1e-201", "1E+999999", "-1.5e400", "0e999999"]
)
@pytest.mark.parametrize("around", [b"[%s]", b"[ %s ]", b"[0,%s]", b"\n%s"])
def test_numbers_that_arithmetic_chokes_on_are_refused(number: str, around: bytes) -> None:
    """SVC-077."""
    with pytest.raises(wire.NotJson, match="a number"):
        wire.parse(b'{"a":' + around % number.encode() + b"}")


def test_a_text_that_looks_like_a_large_number_is_a_text() -> None:
    document = {"a": "x, 4e400", "b": "7e400000-4e40-4e40-4e40-4e4004e40040", "c": "9" * 300}
    assert wire.parse(json.dumps(document).encode()) == document


def test_many_texts_that_look_like_numbers_do_not_hide_one() -> None:
    texts = json.dumps(["x4e400"] * 2000).encode()
    for body in (b'{"a":%s,"b":1e400}' % texts, b'{"b":1e400,"a":%s}' % texts):
        with pytest.raises(wire.NotJson):
            wire.parse(body)


def test_texts_and_numbers_that_share_a_shape_are_told_apart() -> None:
    document = {"a": "0e-12, 1.5e2-10, 3e05e953b2", "b": [Decimal("1e-12"), Decimal("2.5e+10")], "c": "-" * 300}
    body = b'{"a":"0e-12, 1.5e2-10, 3e05e953b2","b":[1e-12,2.5e+10],"c":"%s"}' % (b"-" * 300)
    assert wire.parse(body) == document


@pytest.mark.parametrize(
    "label", ["application/json", "application/json; charset=utf-8", "application/fhir+json", "application/json+fhir"]
)
def test_every_label_for_json_is_accepted(label: str) -> None:
    """SVC-080, CLI-025."""
    assert post(client(), ORDER_SIGN, order_sign(), content_type=label).status_code == 200


def test_a_body_without_a_label_is_accepted() -> None:
    """CLI-025."""
    assert post(client(), ORDER_SIGN, order_sign(), content_type=None).status_code == 200


@pytest.mark.parametrize("label", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "a"])
def test_another_label_is_refused(label: str) -> None:
    """SVC-079."""
    response = post(client(), ORDER_SIGN, order_sign(), content_type=label)
    assert response.status_code == 415
    assert is_outcome(response)


def test_a_compressed_body_is_refused() -> None:
    """SVC-079."""
    assert post(client(), ORDER_SIGN, order_sign(), headers={"Content-Encoding": "gzip"}).status_code == 415


def _chunked(body: bytes, limit: int) -> int:
    environ = {"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    caller = client(Config(max_body=limit))
    return caller.post(ORDER_SIGN, content_type="application/json", environ_overrides=environ).status_code


def test_a_chunked_body_is_read() -> None:
    """SVC-081."""
    assert _chunked(json.dumps(order_sign()).encode(), 5_000_000) == 200


def test_a_body_of_exactly_the_limit_is_accepted_and_one_byte_more_is_not() -> None:
    """SVC-078."""
    body = json.dumps(order_sign()).encode()
    for limit, status in ((len(body), 200), (len(body) - 1, 413)):
        response = client(Config(max_body=limit)).post(ORDER_SIGN, data=body, content_type="application/json")
        assert response.status_code == status
        assert _chunked(body, limit) == status
