"""What a bump or a named stress moves and what it holds: the meaning of ``elasticity_*`` and ``stress_*``.

Each is what the whole valuation gives once the inputs named here have moved, with the same random numbers
(``tests/valuation/test_revaluations.py``).
"""

from __future__ import annotations

from collections.abc import Mapping

#: driver -> what moves with it; all else is held, the price model's parameters too
DRIVERS: Mapping[str, str] = {
    "cpo": (
        "palm oil of every month: futures, physical and reference prices alike, and kernels with it; duty and levy on "
        "a dollar price are worked out anew"
    ),
    "pk": "kernel price of every month: today's and the long-run ratio to palm oil alike",
    "yield": "every quantile of every month's yield",
    "oer": "oil extraction at every age",
    "k": "K index of every month and path, its published range moving with it",
    "fx": (
        "exchange rate of the mill's currency against all others from the valuation date on, spot and forwards; "
        "futures hold in their own currency and so does the domestic price over them last observed, so that a price "
        "that follows foreign futures rises as its currency falls and only what is fixed in local currency moves"
    ),
    "discount": "spread over the zero curve of every term; forward exchange rates hold",
    "hazard": "default intensity a year of every sponsor and mill",
}
#: stress -> what the packaged assumptions make of it
STRESSES: Mapping[str, str] = {
    "gfc2008": "palm oil, and kernels with it, to 42 % in seven months and 71 % from month 24; field costs up 18 %",
    "elnino2016": "yields 14 % lower in months 10 to 21; prices hold",
    "labour2021": "yields 10 % lower for two years, recovering over a third; prices hold",
    "exportban2022": (
        "palm oil, and kernels with it, to 45 % in five months and 53 % from month 12; Indonesian mills pay 30 % of "
        "the set price in months 1 and 2"
    ),
    "combo": "yields 20 % lower for two years, K index two points lower; prices hold",
    "policy": "Indonesian domestic palm oil, and kernels with it, 5.1 % cheaper; windfall threshold 500 MYR/t lower",
    "credit": "sponsor fails in month 24; 40 % of what is missed then arrives a year late",
    "rates_fx": "discount spread two points higher; mill's currency 15 % weaker and domestic prices in it unchanged",
    "freeze": "what falls due in the next twelve months is paid, without interest, in the month after them",
}
