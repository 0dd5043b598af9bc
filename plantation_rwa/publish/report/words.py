"""Plain words for drivers, stresses, steps and rules of the published columns."""

from __future__ import annotations

#: (column, change, words): elasticities are per relative change, or per percentage point
DRIVERS = (
    ("elasticity_cpo", -0.10, "palm oil 10 % cheaper"),
    ("elasticity_yield", -0.10, "harvest 10 % smaller"),
    ("elasticity_pk", -0.10, "palm kernels 10 % cheaper"),
    ("elasticity_fx", -0.10, "mill's currency 10 % weaker, futures unchanged"),
    ("elasticity_oer", -1.0, "oil extraction 1 point lower"),
    ("elasticity_k", -1.0, "K index 1 point lower"),
    ("elasticity_discount", 1.0, "discount rate 1 point higher"),
    ("elasticity_hazard", 1.0, "default 1 point a year likelier"),
)


def step_of(change: float) -> str:
    """Size of a driver's step in words: effects of different ones are not compared."""
    return "step of 10 %" if abs(change) < 0.5 else "step of 1 point"


STRESSES = {
    "stress_gfc2008": "price fall of 2008",
    "stress_elnino2016": "El Ni\u00f1o of 2015-16",
    "stress_labour2021": "labour shortage of 2021",
    "stress_exportban2022": "export ban of 2022",
    "stress_combo": "several at once",
    "stress_policy": "levies and duties raised",
    "stress_credit": "sponsor fails",
    "stress_rates_fx": "rates up, currency down, local prices still",
    "stress_freeze": "transfers frozen",
}
#: drivers of the disclosure's sensitivities
SENSITIVITIES = {
    "cpo": "palm oil price",
    "yield": "harvest",
    "pk": "palm kernel price",
    "fx": "mill's currency",
    "oer": "oil extraction rate",
    "k": "K index of the price formula",
    "discount": "discount rate",
    "hazard": "default intensity a year",
}
#: steps of the bridge between opening and closing value, in the order in which they are taken
BRIDGE = {
    "cash": ("months that have passed", "at their old value"),
    "time": ("time", "what is left comes nearer"),
    "curve": ("palm oil price", "forward curve and price model of today"),
    "pk": ("palm kernel price", "prices known today"),
    "yield": ("yield forecast", "weather, sensors, harvests and age together"),
    "extraction": ("extraction", "extraction rates, K index, taxes and levies"),
    "fx": ("exchange rate", "forwards of today"),
    "discount": ("discount and credit", "rates, spreads, hazards"),
    "issuance": ("terms", "new rights and terms; the month that a rolling term gains"),
    "model": ("model", "today's code and assumptions on the old inputs, less what was published"),
}
SCREEN = {
    "pass": "no sign of forest loss in what was looked at",
    "fail": "signs of forest loss",
    "more_info": "needs more information",
    "not_checked": "not checked",
}
STATES = {"pass": "nothing found", "fail": "problem found", "more_info": "more needed", "not_checked": "not checked"}


def pool_words(pool_id: str) -> str:
    """What a pool is called: the group of rights outside pools is told as that."""
    outside = pool_id.removeprefix("portfolio:")
    return pool_id if outside == pool_id else f"rights in no pool, {outside}"
