"""What oracles and token contracts read, held against what was signed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plantation_rwa.attest.attestation import token_metadata
from plantation_rwa.attest.checking import Findings, end_of_day


def check_feeds(feeds: Mapping[str, Any], where: str, disclosure: Mapping[str, Any], out: Findings) -> None:
    """Every price feed against the total or the pool of the disclosure that its description names."""
    totals = {t["currency"]: t for t in disclosure["totals"]}
    start, described = f"NAV of {disclosure['portfolio']}, ", str(feeds["description"])
    if described.startswith(start):
        total = totals.get(described.removeprefix(start), {"nav_total_int": "0"})
        if "currency" not in total:
            out.unchecked.append((where, f"feed '{described}': the disclosure has no total in its currency"))
        _check_feed(feeds, where, total, disclosure["as_of"], out)
    else:
        out.fail(where, f"feed '{described}' is not one of portfolio '{disclosure['portfolio']}'")
    pools = {}
    for pool in disclosure["pools"]:
        if pool["tranche"] == "whole":
            decimals = {k: v for k, v in totals.get(pool["currency"], {}).items() if k == "decimals"}
            name = f"NAV of pool {pool['pool_id']}, {pool['currency']}"
            pools[name] = {"nav_total_int": pool["nav_total_int"], **decimals}
    given = [str(feed["description"]) for feed in feeds["pools"]]
    if sorted(given) != sorted(pools):
        out.fail(where, "its pools are not those of the disclosure")
    for feed in feeds["pools"]:
        if feed["description"] in pools:
            _check_feed(feed, where, pools[feed["description"]], disclosure["as_of"], out)


def check_tokens(
    found: Mapping[str, Any],
    where: str,
    disclosure: Mapping[str, Any],
    digest: str,
    records: Sequence[tuple[str, Mapping[str, Any]]],
    out: Findings,
) -> None:
    """Token metadata against what the attestation's records make.

    Parameters
    ----------
    records
        Token id and record of each right.
    """
    if found["properties"]["attestation_digest"] != digest:
        out.fail(where, "names another attestation")
    note = "Inputs are simulated." if disclosure["simulated"] == "yes" else ""
    attestation = {"as_of": disclosure["as_of"], "digest": digest}
    made = token_metadata(disclosure["portfolio"], records, found["documents"], attestation, note=note)
    for member in ("name", "description", "decimals", "properties"):
        if found[member] != made[member]:
            out.fail(where, f"{member} is not that of the attestation")
    given = {str(token["id"]): token for token in found["tokens"]}
    wanted = {token["id"]: token for token in made["tokens"]}
    if sorted(given) != sorted(wanted) or len(found["tokens"]) != len(wanted):
        out.fail(where, "token ids are not those of the records")
    for name, token in wanted.items():
        if name in given and given[name] != token:
            out.fail(where, f"token of {token['name']} is not what its record says")


def _check_feed(feed: Mapping[str, Any], where: str, total: Mapping[str, Any], as_of: str, out: Findings) -> None:
    instant, number = end_of_day(as_of), as_of.replace("-", "")
    expected = {"answer": total["nav_total_int"], "decimals": total.get("decimals", feed["decimals"])}
    expected |= {"startedAt": instant, "updatedAt": instant, "roundId": number, "answeredInRound": number}
    for name, value in expected.items():
        if feed[name] != value:
            told = f"{name} is {feed[name]!r}, the disclosure has {value!r}"
            out.fail(where, f"feed '{feed['description']}': answer or time is not that of the disclosure: {told}")
