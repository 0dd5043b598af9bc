"""How well the price model tells the far end of the curve from the near one.

``python benchmarks/price_curve.py [FUTURES.csv] [--near 6] [--every 5]``

The model is calibrated on the first part of the settlement days and on the ``near`` contracts alone; on the later days
its filter sees the near contracts and prices the far ones. Printed is the root mean square error in log price of

model      the filtered two-factor model
flat       the last near settlement, for all later months
carry      the slope between the first and the last near settlement, carried on in log price

by months beyond the last near contract. Without a file a panel is drawn from a known model (seed 9101).
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from plantation_rwa.assumptions import packaged  # noqa: E402
from plantation_rwa.calendars import packaged_holidays  # noqa: E402
from plantation_rwa.sources.base import Quarantine  # noqa: E402
from plantation_rwa.sources.futures import read_futures  # noqa: E402
from plantation_rwa.valuation.kalman import Panel, kalman_filter  # noqa: E402
from plantation_rwa.valuation.likelihood import maximise  # noqa: E402
from plantation_rwa.valuation.price_model import panel_of  # noqa: E402
from plantation_rwa.valuation.schwartz_smith import SchwartzSmith  # noqa: E402
from tests.valuation.panels import TRUTH, drawn  # noqa: E402


def given_panel(path: Path | None) -> tuple[Panel, str]:
    """Panel of a futures file, every listed contract in it, or of the known model."""
    if path is None:
        return drawn(TRUTH, 9101, days=500, tenors=14), "simulated, seed 9101"
    futures = read_futures([str(path)], Quarantine())
    last = futures["settle_date"].max().date()
    everything = packaged().override({"curve.min_open_interest": 0.0}, where="benchmark")
    panel, _, _ = panel_of(futures, last + dt.timedelta(days=1), everything, packaged_holidays("MY"))
    return panel, path.name


def first_columns(panel: Panel, columns: int, rows: slice) -> Panel:
    """The near contracts of some days, one measurement error for all."""
    prices = panel.log_prices[rows, :columns]
    return Panel(panel.steps[rows], prices, panel.maturities[rows, :columns], np.zeros(prices.shape, dtype=np.int64))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("futures", nargs="?", type=Path)
    parser.add_argument("--near", type=int, default=6)
    parser.add_argument("--every", type=int, default=5, help="days between two tests")
    options = parser.parse_args()
    panel, name = given_panel(options.futures)
    near, half = options.near, panel.days // 2
    began = time.process_time()
    fitted = maximise(
        first_columns(panel, near, slice(0, half)),
        SchwartzSmith.prior(packaged()),
        error_start=0.01,
        error_floor=packaged().number("price_model.error_floor"),
    )
    print(f"{name}: {panel.days} days, calibrated on the first {half} and {near} contracts")
    print(f"converged {fitted.converged}, {time.process_time() - began:.1f} CPU s; kappa {fitted.model.kappa:.3f}")
    rows = []
    for day in range(half, panel.days, options.every):
        seen, years = panel.log_prices[day, :near], panel.maturities[day, :near]
        known = ~np.isnan(seen)
        if known.sum() < 2:
            continue
        state = kalman_filter(fitted.model, fitted.errors, first_columns(panel, near, slice(0, day + 1)))
        first, last = np.flatnonzero(known)[[0, -1]]
        slope = (seen[last] - seen[first]) / (years[last] - years[first])
        for column in range(near, panel.log_prices.shape[1]):
            price, t = panel.log_prices[day, column], float(panel.maturities[day, column])
            if np.isnan(price):
                continue
            model = np.log(fitted.model.forward(t, state.chi, state.xi))
            carry = seen[last] + slope * (t - years[last])
            rows.append((round((t - years[last]) * 12), model - price, seen[last] - price, carry - price))
    table = pd.DataFrame(rows, columns=["months_beyond", "model", "flat", "carry"])
    groups = pd.cut(table["months_beyond"], [0, 3, 6, 12, 24, 36], labels=["1-3", "4-6", "7-12", "13-24", "25-36"])
    errors = np.sqrt((table.drop(columns="months_beyond") ** 2).groupby(groups, observed=True).mean())
    errors.loc["all"] = np.sqrt((table.drop(columns="months_beyond") ** 2).mean())
    print("\nRMSE of the log price, by months beyond the last near contract")
    print((errors.assign(n=[*groups.value_counts(sort=False)[errors.index[:-1]], len(table)])).round(5).to_string())


if __name__ == "__main__":
    main()
