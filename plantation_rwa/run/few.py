"""Which pools hold too few rights for their figures to be told to everybody."""

from __future__ import annotations

from collections import Counter

import pandas as pd

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.attest.disclosure import withheld_pools
from plantation_rwa.valuation.pools import pool_name


def pools_of_few(
    pools: pd.DataFrame, valuations: pd.DataFrame, currency: str, assumptions: Assumptions
) -> frozenset[str]:
    """Pools that are withheld from what is public; see :func:`plantation_rwa.attest.disclosure.withheld_pools`.

    Parameters
    ----------
    pools, valuations
        Published tables of a date.
    currency
        That of the portfolio.
    """
    valued = valuations[valuations["nav_total_int"].notna()]
    names = [
        pool_name(None if pd.isna(pool) else str(pool), str(own), currency)
        for pool, own in zip(valued["pool_id"], valued["currency"], strict=True)
    ]
    currencies = dict(zip(pools["pool_id"].astype(str), pools["currency"].astype(str), strict=True))
    return withheld_pools(currencies, Counter(names), least_rights(assumptions))


def least_rights(assumptions: Assumptions) -> int:
    """Rights with a value that must stand behind a public figure of a pool."""
    return int(assumptions.number("publish.few_rights"))
