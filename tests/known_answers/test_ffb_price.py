"""Published fruit prices and worked netbacks. Source: domain/valuation.md 1.2, 1.3, 1.4, 9 and appendix A."""

from __future__ import annotations

import numpy as np
import pytest

from plantation_rwa.assumptions import packaged
from plantation_rwa.valuation.ffb_price import (
    NetbackTerms,
    domestic_from_usd,
    extraction_by_age,
    indeks_k,
    netback,
    reference_price,
)

AGES = (3, 4, 5, 6, 7, 8, 9, 10, 21, 22, 23, 24, 25)
RIAU = """
swadaya,2024-05-15,0.9244,12179.21,7478.17,24.38,2173.01,2432.36,2619.59,2723.34,2783.68,2818.40,2823.66,2789.78,2738.50,2680.65,2614.91,2565.37,2524.41
swadaya,2024-10-16,0.9286,14015.28,10418.00,22.50,2582.88,2886.90,3104.51,3226.12,3298.23,3338.88,3348.15,3310.34,3251.73,3185.02,3109.20,3051.93,3004.74
swadaya,2025-06-25,0.9209,13672.68,9850.13,25.06,2488.86,2782.24,2992.57,3109.92,3179.28,3218.51,3226.94,3190.12,3133.31,3068.75,2995.37,2939.97,2894.29
swadaya,2025-10-01,0.9283,14663.31,14061.44,23.06,2834.25,3159.52,3389.16,3519.27,3598.80,3642.19,3657.46,3620.26,3560.15,3490.67,3411.67,3351.78,3302.73
plasma,2024-05-15,0.9140,12114.27,7398.71,22.28,2172.17,2476.55,2629.04,2745.67,2802.99,2836.27,2837.68,2820.89,2774.38,2729.23,2681.62,2629.14,2570.46
plasma,2025-10-01,0.9275,14581.61,14007.99,17.38,2855.17,3230.71,3422.16,3570.28,3647.87,3690.88,3695.92,3676.83,3620.03,3565.82,3507.67,3444.06,3372.38
plasma,2025-10-08,0.9275,14574.73,13829.67,17.38,2846.70,3221.93,3413.12,3560.98,3638.28,3681.19,3686.11,3666.98,3610.20,3556.00,3497.87,3434.27,3362.63
plasma,2025-12-24,0.9337,14216.81,11239.12,20.29,2704.45,3071.23,3256.66,3399.34,3471.88,3512.96,3516.32,3496.91,3441.16,3387.51,3330.43,3267.77,3197.42
"""


@pytest.mark.parametrize("line", RIAU.split())
def test_kat_01_riau_prices_of_thirteen_ages(line: str) -> None:
    scheme, _, *cells = line.split(",")
    k, cpo, pk, shell, *published = map(float, cells)
    table = packaged().table(f"extraction.id_{scheme}")
    rates = [extraction_by_age(table, age) for age in AGES]
    prices = [float(indeks_k(cpo, pk, k=k, oer=oer, ker=ker, shell=shell)) for oer, ker in rates]
    assert np.abs(np.array(prices) - published).max() <= 0.20


def test_the_price_class_10_to_20_is_one_class_and_ends_at_21() -> None:
    table = packaged().table("extraction.id_plasma")
    assert extraction_by_age(table, 10.0) == extraction_by_age(table, 20.9) == (0.2216, 0.0510)
    assert extraction_by_age(table, 21.0) == (0.2174, 0.0510)
    assert extraction_by_age(table, 9.99) == (0.2233, 0.0507)


def test_palms_younger_or_older_than_the_table_take_its_ends() -> None:
    table = packaged().table("extraction.id_swadaya")
    assert extraction_by_age(table, 0.0) == (0.1629, 0.0455)
    assert extraction_by_age(table, 40.0) == (0.1884, 0.0548)


@pytest.mark.parametrize(
    ("sources", "published"),
    [
        ((904.60, 1019.33, 1153.64), 961.97),
        ((857.25, 930.03, 1040.70), 893.64),
        ((804.96, 874.10, 970.41), 839.53),
        ((786, 854.22, 960.62), 820.11),
        ((984.61, 1134.47, 1299.10), 1059.54),
        ((773.31, 824.49, 898.70), 798.90),
        ((830.85, 884.39, 971.60), 857.62),
    ],
)
def test_kat_02_reference_price_of_seven_months(sources: tuple[float, float, float], published: float) -> None:
    assert reference_price(*sources) == pytest.approx(published, abs=0.0100001)
    assert reference_price(*reversed(sources)) == reference_price(*sources)


def test_reference_price_is_the_mean_of_three_within_40_usd() -> None:
    assert reference_price(900, 920, 940) == 920
    assert reference_price(900, 905, 941) == 902.5


@pytest.mark.parametrize(("tax", "price"), [(0.0, 818.80), (0.075, 758.80), (0.05, 778.80)])
def test_kat_06_netback_by_state(tax: float, price: float) -> None:
    terms = NetbackTerms(0.20, 0.05, tax, 0.0, 16, 40, 60, 30, 0)
    assert float(netback(4000, 2400, terms)) == pytest.approx(price, abs=1e-9)


def test_netback_is_never_negative() -> None:
    assert float(netback(100, 50, NetbackTerms(0.20, 0.05, 0, 0, 16, 40, 60, 30, 0))) == 0.0


def test_domestic_price_from_a_usd_price() -> None:
    # (900 - 74 - 67.5 - 20) x 16,000 = 11,816,000 IDR per t
    assert domestic_from_usd(900, 74, 67.5, 20, 16_000) == pytest.approx(11_816_000)
