"""The signed disclosure: its version, the pools it says nothing of, and the price feeds that follow from it; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from plantation_rwa.attest.attestation import feed
from plantation_rwa.attest.hashing import row_texts
from plantation_rwa.units import currency_decimals

#: of what is attested and how it is hashed; a reader of another version cannot tell a forgery from a change of it
VERSION = 2
#: why the figures of a pool are not there
TOO_FEW = "too_few"
#: columns of ``pools`` that the disclosure repeats, and those of a pool that it says nothing more of
POOL_COLUMNS = ("pool_id", "tranche", "currency", "n_rights", "nav_total_int", "decimals")
_KEPT = ("pool_id", "tranche", "currency", "n_rights", "decimals")


def withheld_pools(currencies: Mapping[str, str], valued: Mapping[str, int], least: int) -> frozenset[str]:
    """Pools whose figures would show what single rights are worth.

    A pool of fewer than ``least`` rights with a value is one. The total of its currency and the other pools would show
    it by difference, so the smallest of the others are withheld too, until the rights behind all that is withheld in
    the currency are enough.

    Parameters
    ----------
    currencies
        Currency by pool.
    valued
        Rights with a value by pool.
    """
    found: set[str] = set()
    for currency in set(currencies.values()):
        inside = sorted((valued.get(pool, 0), pool) for pool, own in currencies.items() if own == currency)
        hidden = [entry for entry in inside if entry[0] < least]
        others = inside[len(hidden) :]
        while hidden and others and sum(count for count, _ in hidden) < least:
            hidden.append(others.pop(0))
        found |= {pool for _, pool in hidden}
    return frozenset(found)


def pool_texts(rows: Iterable[Mapping[str, Any]], hidden: frozenset[str]) -> list[dict[str, str]]:
    """Pools as the disclosure has them, one entry per tranche; of those that are withheld the reason."""
    found = []
    for row in rows:
        small = str(row["pool_id"]) in hidden
        texts = row_texts({name: row[name] for name in (_KEPT if small else POOL_COLUMNS)})
        found.append(texts | ({"withheld": TOO_FEW} if small else {}))
    return found


def feeds(disclosure: Mapping[str, Any], instant: int) -> dict[str, Any]:
    """Price feeds: the portfolio in its currency, and every pool that is not withheld.

    All that stands in them follows from what was signed.

    Parameters
    ----------
    instant
        End of the valuation date, seconds since 1970.
    """
    as_of, limits, own = disclosure["as_of"], disclosure["feeds"], disclosure["currency"]
    nothing = {"currency": own, "decimals": currency_decimals(own), "nav_total_int": "0"}
    whole = next((t for t in disclosure["totals"] if t["currency"] == own), nothing)
    inside = [
        feed(
            f"NAV of pool {pool['pool_id']}, {pool['currency']}",
            {"decimals": int(pool["decimals"]), "nav_total_int": pool["nav_total_int"]},
            as_of,
            instant,
            limits,
        )
        for pool in disclosure["pools"]
        if pool["tranche"] == "whole" and "withheld" not in pool
    ]
    return {**feed(f"NAV of {disclosure['portfolio']}, {own}", whole, as_of, instant, limits), "pools": inside}


def told_totals(disclosure: Mapping[str, Any]) -> Sequence[str]:
    """Sentences on totals that show what single rights are worth, for there are no more."""
    found = []
    for total in disclosure["totals"]:
        valued = total["records"] - total["without_value"]
        if 0 < valued < disclosure["few_rights"]:
            found.append(f"the total in {total['currency']} is that of {valued} right{'s' if valued > 1 else ''}")
    return found
