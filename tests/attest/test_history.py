"""The history of attestations: each names the one before it."""

from __future__ import annotations

from plantation_rwa.attest.checking import Findings, check_history


def test_a_broken_history_is_named() -> None:
    one, two = ("2026-04-30", "a", {}, "0xaa"), ("2026-05-31", "b", {"as_of": "2026-04-30", "digest": "0xaa"}, "0xbb")
    cases = {
        "": [one, two],
        "the attestation of 2026-04-30 is not the one it names": [("2026-04-30", "a", {}, "0xcc"), two],
        "names an attestation of 2026-04-30, which is not here": [two],
        "names an attestation of 2026-05-15, which is not here": [
            one, (*two[:2], {"as_of": "2026-05-15", "digest": "0xdd"}, "0xbb"),
        ],
    }  # fmt: skip
    for said, chain in cases.items():
        out = Findings()
        check_history(chain, frozenset(), out)
        assert [reason for _, reason in out.failed] == ([f"history: {said}"] if said else [])
        assert out.noted == []


def test_a_date_published_after_a_later_one_is_named_and_no_fault() -> None:
    one, two = ("2026-04-30", "a", {}, "0xaa"), ("2026-05-31", "b", {"as_of": "2026-04-30", "digest": "0xaa"}, "0xbb")
    between = ("2026-05-15", "c", {"as_of": "2026-04-30", "digest": "0xaa"}, "0xdd")
    first = (*two[:2], {}, two[3])
    for chain, told, late in (([one, between, two], "names 2026-04-30 as the date before it", "2026-05-15"),
                              ([one, first], "names no date before it", "2026-04-30")):  # fmt: skip
        out = Findings()
        check_history(chain, frozenset(), out)
        assert out.failed == []
        assert out.noted == [
            f"b: history: {told}, for {late} was published later than 2026-05-31 and stands beside its history. "
            "Whoever publishes the folder runs 2026-05-31 again to bring both into line."
        ]


def test_a_date_whose_manifest_cannot_be_read_is_not_called_missing() -> None:
    two = ("2026-05-31", "b", {"as_of": "2026-04-30", "digest": "0xaa"}, "0xbb")
    out = Findings()
    check_history([two], frozenset({"2026-04-30"}), out)
    told = "history: names the attestation of 2026-04-30, whose manifest cannot be read"
    assert (out.failed, out.unchecked) == ([], [("b", told)])
