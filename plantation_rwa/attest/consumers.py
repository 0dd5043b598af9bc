"""What oracles and token contracts read, held against what was signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plantation_rwa.attest.attestation import token_metadata
from plantation_rwa.attest.checking import Findings, end_of_day
from plantation_rwa.attest.disclosure import feeds


def check_feeds(found: Mapping[str, Any], where: str, disclosure: Mapping[str, Any], out: Findings) -> None:
    """Every price feed, member by member, against what the disclosure makes."""
    made = feeds(disclosure, end_of_day(disclosure["as_of"]))
    _compare(found, made, where, out)
    given = {str(feed["description"]): feed for feed in found["pools"]}
    wanted = {feed["description"]: feed for feed in made["pools"]}
    if sorted(given) != sorted(wanted) or len(found["pools"]) != len(wanted):
        out.fail(where, "its pools are not those of the disclosure")
    for name in sorted(given.keys() & wanted.keys()):
        _compare(given[name], wanted[name], where, out)


def check_tokens(
    found: Mapping[str, Any],
    where: str,
    disclosure: Mapping[str, Any],
    digest: str,
    records: Sequence[tuple[str, Mapping[str, Any]]],
    documents: Sequence[Mapping[str, str]],
    out: Findings,
) -> None:
    """Token metadata against what the attestation's records make.

    Parameters
    ----------
    records
        Token id and record of each right.
    documents
        Those that the date published, with their hashes.
    """
    if found["properties"]["attestation_digest"] != digest:
        out.fail(where, "names another attestation")
    note = "Inputs are simulated." if disclosure["simulated"] == "yes" else ""
    attestation = {"as_of": disclosure["as_of"], "digest": digest}
    made = token_metadata(disclosure["portfolio"], records, documents, attestation, note=note)
    for member in sorted({*found, *made} - {"tokens"}):
        if found.get(member) != made.get(member):
            out.fail(where, f"{member} is not that of the attestation")
    given = {str(token["id"]): token for token in found["tokens"]}
    wanted = {token["id"]: token for token in made["tokens"]}
    if sorted(given) != sorted(wanted) or len(found["tokens"]) != len(wanted):
        out.fail(where, "token ids are not those of the records")
    for name, token in wanted.items():
        if name in given and given[name] != token:
            out.fail(where, f"token of {token['name']} is not what its record says")


def _compare(found: Mapping[str, Any], made: Mapping[str, Any], where: str, out: Findings) -> None:
    """Members of a feed but ``pools``; a number told as a text is another."""
    for name in sorted({*found, *made} - {"pools"}):
        old, new = found.get(name), made.get(name)
        if old != new or type(old) is not type(new):
            out.fail(where, f"feed '{made['description']}': {name} is {old!r}, the disclosure makes it {new!r}")
