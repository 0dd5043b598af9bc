"""The record of a right: what it holds, its key, its salt, its status; and the shapes that consumers take."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.attest.attestation import build_attestation, document, domain, feed, token_metadata, totals
from plantation_rwa.attest.checking import end_of_day
from plantation_rwa.attest.eip712 import digest, struct_hash, typed_data
from plantation_rwa.attest.hashing import canonical, hex_of, keccak256
from plantation_rwa.attest.records import (
    Limits,
    Sources,
    build_record,
    key_hash,
    record_hash,
    record_key,
    salt_of,
    status_reasons,
)
from plantation_rwa.periods import as_of_instant
from plantation_rwa.units import unit_value

LIMITS = Limits(data_age_days=92, breaker_bps=2000, stale_flags=frozenset({"curve_stale"}))
SOURCES = Sources("0x01", "0x02", "0x03")
ROW: dict[str, Any] = {
    "plantation_id": "P1", "right_id": "R1", "currency": "MYR", "decimals": 2, "share": 0.2, "tenor_months": 60,
    "units": 3, "unit_decimals": 18, "nav_total_int": 100000, "unit_nav_int": Decimal("333333333333333333333"),
    "npv_q05": 0.295, "npv_q10": 700.0, "npv_q50": None, "npv_q90": 1300.0, "npv_q95": float("nan"), "fv_level": 3,
    "confidence_grade": "B", "data_age_days_max": 31, "quality_flag": "simulated", "eudr_screen": None,
    "overlap_max_frac": 0.0, "bridge_opening": None,
}  # fmt: skip


def built(**changes: Any) -> dict[str, Any]:
    return build_record({**ROW, **changes}, "2026-05-31", "p", SOURCES, LIMITS, salted=False)


def test_a_record_holds_texts_and_integers_rounded_down() -> None:
    """Floor of 0.295 MYR in minor units is 29; what is not known is absent."""
    assert built() == {
        "record_version": 1, "portfolio": "p", "plantation_id": "P1", "right_id": "R1", "as_of": "2026-05-31",
        "currency": "MYR", "decimals": 2, "nav_total_int": "100000", "units": "3",
        "unit_nav_int": "333333333333333333333", "unit_decimals": 18, "nav_q05_int": "29", "nav_q10_int": "70000",
        "nav_q90_int": "130000", "share": "0.2000000", "tenor_months": 60, "fv_level": 3, "confidence_grade": "B",
        "data_age_days_max": 31, "overlap_max_frac": "0.0000000", "eudr_screen": "not_checked",
        "quality_flag": "simulated", "status": "current", "status_reasons": "", "inputs_hash": "0x01",
        "model_hash": "0x02", "configuration_hash": "0x03", "salt": "public",
    }  # fmt: skip


def test_unit_values_of_the_integer_nav() -> None:
    """KAT-45: the price per unit that Centrifuge's tests expect, and 1000 / 3."""
    cases = ((1000, 100, 10**19), (2700, 300, 9 * 10**18), (1200, 150, 8 * 10**18), (1000, 3, 333333333333333333333))
    assert [unit_value(total, units, 0) for total, units, _ in cases] == [value for *_, value in cases]


def test_a_record_is_hashed_behind_its_salt() -> None:
    record, salt = built(), "0x" + "ab" * 32
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert record_hash(record, salt) == hex_of(keccak256(b"\xab" * 32 + text.encode()))
    assert record_hash(record, salt) != record_hash(record, "0x" + "ac" * 32)


def test_salts_are_hmac_sha256_of_the_key() -> None:
    key = record_key("P1", "R1", "2026-05-31")
    assert key == "P1|R1|2026-05-31"
    assert key_hash(key) == hex_of(keccak256(b"P1|R1|2026-05-31"))
    for secret in (b"s" * 32, None):
        assert salt_of(key, secret)[2:] == hmac.new(secret or b"", key.encode(), hashlib.sha256).hexdigest()
    assert salt_of(key, b"s" * 32) != salt_of(key, None)


names = st.text("a|%7C", min_size=1, max_size=4)


@given(names, names, names, names)
def test_keys_of_different_rights_differ(a: str, b: str, c: str, d: str) -> None:
    assert (record_key(a, b, "x") == record_key(c, d, "x")) == ((a, b) == (c, d))


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({}, []),
        ({"data_age_days_max": 92}, []),
        ({"data_age_days_max": 93}, ["data_age"]),
        ({"quality_flag": "curve_stale;simulated"}, ["curve_stale"]),
        ({"nav_total_int": None}, ["no_value"]),
        ({"bridge_opening": 0}, []),
        ({"bridge_opening": 125000}, []),
        ({"bridge_opening": 125001}, ["jump"]),
        ({"bridge_opening": 83333}, ["jump"]),
        ({"bridge_opening": 83334}, []),
    ],
)
def test_why_a_value_is_indicative(changes: dict[str, Any], reasons: list[str]) -> None:
    """A fifth of 125,000 is 25,000, a fifth of 83,333 is 16,666.6: moves beyond them trip the breaker."""
    assert status_reasons({**ROW, **changes}, LIMITS) == reasons
    assert built(**changes)["status"] == ("indicative" if reasons else "current")


def test_totals_are_sums_of_integers_by_currency() -> None:
    large = 2**53 * 100
    records = [built(), built(nav_total_int=large), built(currency="IDR", nav_total_int=None)]
    assert totals(records) == [
        {"currency": "IDR", "decimals": 2, "records": 1, "without_value": 1, "nav_total_int": "0"},
        {
            "currency": "MYR",
            "decimals": 2,
            "records": 2,
            "without_value": 0,
            "nav_total_int": str(large + 100000),
        },
    ]
    assert canonical(totals(records))


def test_the_end_of_a_day_is_that_of_the_point_in_time_filter() -> None:
    assert end_of_day("2026-05-31") == int(as_of_instant(dt.date(2026, 5, 31)).timestamp())


def test_a_feed_has_the_members_of_latest_round_data() -> None:
    total = {"decimals": 2, "nav_total_int": "123"}
    found = feed("d", total, "2026-05-31", 5, {"heartbeat_s": 1})
    assert {k: found[k] for k in ("roundId", "answer", "startedAt", "updatedAt", "answeredInRound", "decimals")} == {
        "roundId": "20260531", "answer": "123", "startedAt": 5, "updatedAt": 5, "answeredInRound": "20260531",
        "decimals": 2,
    }  # fmt: skip


def test_token_metadata_names_tokens_and_documents() -> None:
    documents = [document("merkle.json", "a/merkle.json", "0x" + "11" * 32)]
    assert bytes.fromhex(documents[0]["nameBytes32"][2:]).rstrip(b"\0") == b"merkle.json"
    assert len(documents[0]["nameBytes32"]) == 66
    found = token_metadata("p", [("0x" + "22" * 32, built())], documents, {"as_of": "x", "digest": "0x"}, note="N.")
    assert found["tokens"][0]["id"] == "22" * 32
    assert found["tokens"][0]["properties"]["unit_nav_int"] == "333333333333333333333"
    assert found["documents"] == documents
    assert found["properties"]["legal_characterisation"] == "not_determined"


words = st.binary(min_size=32, max_size=32)


@given(st.integers(-(2**255), 2**255 - 1), st.integers(0, 2**64 - 1), st.text("aé漢", max_size=5), words)
def test_typed_data_agrees_with_eth_account_on_every_kind(amount: int, moment: int, text: str, word: bytes) -> None:
    from eth_account.messages import _hash_eip191_message, encode_typed_data

    types = {"T": (("a", "int256"), ("b", "uint64"), ("c", "string"), ("d", "bytes32"))}
    value = {"a": amount, "b": moment, "c": text, "d": hex_of(word)}
    signable = encode_typed_data(full_message=typed_data({"name": "n"}, "T", value, types))
    own = digest({"name": "n"}, "T", {**value, "a": str(amount)}, types)
    assert own == bytes(_hash_eip191_message(signable))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uint8", 256), ("uint8", -1), ("int8", 128), ("uint8", True), ("bytes32", "0x12"), ("string", 5),
        ("address", "x"),
    ],
)  # fmt: skip
def test_a_value_that_is_not_of_its_type_is_refused(kind: str, value: object) -> None:
    with pytest.raises(ValueError, match=r"T\.a: "):
        struct_hash("T", {"a": value}, {"T": (("a", kind),)})
    with pytest.raises(ValueError, match="members missing or unknown: b"):
        struct_hash("T", {"a": 1, "b": 2}, {"T": (("a", "uint8"),)})


def test_a_signature_serves_one_portfolio_and_one_chain() -> None:
    message = {
        **dict.fromkeys(("merkleRoot", "reportHash", "inputsHash", "modelHash"), "0x" + "11" * 32),
        "asOf": 1, "validUntil": 2, "leafCount": 1, "status": 0, "methodologyUri": "m",
    }  # fmt: skip
    digests = {build_attestation(domain(p, c), message)["digest"] for p, c in (("a", 1), ("b", 1), ("a", 2))}
    assert len(digests) == 3
