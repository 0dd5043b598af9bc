"""Climate variables: the names and units they come under, and what a possible value is."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from plantation_rwa.assumptions import packaged
from plantation_rwa.errors import SourceError
from plantation_rwa.units import CONVERSIONS, TEMPERATURE_UNITS

_DAY = 86400.0
_TOKEN = re.compile(r"^([a-z%°]+)(-?\d+)?$")
#: normalised word -> its other spellings
_SPELLINGS = {
    "d": "day days",
    "h": "hr hour hours",
    "s": "sec second seconds",
    "m": "metre metres meter meters",
    "mm": "millimetre millimetres millimeter millimeters",
    "in": "inch inches",
    "degc": "c °c celsius",
    "degf": "f °f fahrenheit",
    "k": "kelvin",
    "%": "percent pct",
    "1": "fraction dimensionless",
    "kn": "kt knot knots",
    "j": "joule joules",
    "w": "watt watts",
}
#: normalised word -> how it is written where case matters
_WRITTEN = {"degc": "degC", "degf": "degF", "k": "K", "mj": "MJ", "j": "J", "w": "W", "kwh": "kWh", "kn": "knots"}
_SAME = {other: word for word, others in _SPELLINGS.items() for other in others.split()}


@dataclass(frozen=True)
class ClimateVariable:
    """One canonical daily variable.

    Parameters
    ----------
    unit
        Canonical unit.
    names
        Other names it is known by, lower case; CF standard names included.
    units
        Normalised unit (see :func:`normalised_unit`) -> factor and offset to the canonical unit. Totals without a time
        in the unit are daily totals.
    lower, upper
        Closed bounds of possible values in the canonical unit.
    slack
        Values this far beyond a bound are packing or sensor noise and count as the bound.
    """

    unit: str
    names: tuple[str, ...]
    units: Mapping[str, tuple[float, float]]
    lower: float
    upper: float
    slack: float = 0.0


#: Names under which files carry the wind at 10 m.
WIND_AT_10M = ("wind10m", "wind_10m", "ws10m", "sfcwind", "si10", "10si")

_TEMPERATURE = {unit: CONVERSIONS["degC"][unit] for unit in TEMPERATURE_UNITS}


def _factors(**factors: float) -> dict[str, tuple[float, float]]:
    """Units by factor; ``__`` stands for a minus sign, ``_`` for a space."""
    return {name.replace("__", "-").replace("_", " "): (factor, 0.0) for name, factor in factors.items()}


VARIABLES: Mapping[str, ClimateVariable] = {
    "precipitation": ClimateVariable(
        unit="mm d-1",
        names=(
            *("precip", "pr", "tp", "tprate", "prcp", "rain", "rainfall", "prectotcorr"),
            *("precipitation_amount", "precipitation_flux"),
        ),
        units={
            **_factors(mm=1.0, d__1_mm=1.0, h__1_mm=24.0, mm_s__1=_DAY, cm=10.0, cm_d__1=10.0),
            **_factors(kg_m__2=1.0, d__1_kg_m__2=1.0, kg_m__2_s__1=_DAY),
            **_factors(m=1e3, d__1_m=1e3, m_s__1=_DAY * 1e3),
            "in": (25.4, 0.0),
            "d-1 in": (25.4, 0.0),
        },
        lower=0.0,
        upper=packaged().number("plausibility.rain_day_max_mm"),
        slack=0.05,
    ),
    "t2m_min": ClimateVariable(
        unit="degC",
        names=("tmin", "tasmin", "t2mmin", "mn2t", "tn", "t2m_daily_min"),
        units=_TEMPERATURE,
        lower=-60.0,
        upper=60.0,
    ),
    "t2m_max": ClimateVariable(
        unit="degC",
        names=("tmax", "tasmax", "t2mmax", "mx2t", "tx", "t2m_daily_max"),
        units=_TEMPERATURE,
        lower=-60.0,
        upper=60.0,
    ),
    "ssrd": ClimateVariable(
        unit="MJ m-2 d-1",
        names=(
            *("rsds", "allsky_sfc_sw_dwn", "surface_solar_radiation_downwards"),
            "surface_downwelling_shortwave_flux_in_air",
        ),
        units={
            **_factors(m__2_mj=1.0, d__1_m__2_mj=1.0, j_m__2=1e-6, d__1_j_m__2=1e-6),
            **_factors(m__2_w=_DAY * 1e-6, kwh_m__2=3.6, d__1_kwh_m__2=3.6),
        },
        lower=0.0,
        upper=50.0,
        slack=0.05,
    ),
    "rh": ClimateVariable(
        unit="%",
        names=("hurs", "rh2m", "relative_humidity", "r2"),
        units={"%": (1.0, 0.0), "1": (100.0, 0.0)},
        lower=0.0,
        upper=100.0,
        slack=3.0,
    ),
    "wind2m": ClimateVariable(
        unit="m s-1",
        names=("ws2m", "u2", "wind_2m", *WIND_AT_10M),
        units=_factors(m_s__1=1.0, h__1_km=1 / 3.6, kn=0.514444),
        lower=0.0,
        upper=75.0,
    ),
}


#: Further variables of hourly files, from which days are made; wind components are brought to 2 m.
HOURLY: Mapping[str, ClimateVariable] = {
    "t2m": ClimateVariable("degC", ("2t", "tas", "air_temperature"), _TEMPERATURE, -60.0, 60.0),
    "d2m": ClimateVariable("degC", ("2d", "tdps", "dew_point_temperature"), _TEMPERATURE, -80.0, 45.0),
    "u10": ClimateVariable("m s-1", ("10u", "uas", "eastward_wind"), {"m s-1": (1.0, 0.0)}, -75.0, 75.0),
    "v10": ClimateVariable("m s-1", ("10v", "vas", "northward_wind"), {"m s-1": (1.0, 0.0)}, -75.0, 75.0),
}

VARIABLES_AND_HOURLY: Mapping[str, ClimateVariable] = {**VARIABLES, **HOURLY}

#: Variables that an hour adds to; the others are values of an instant.
TOTALS = ("precipitation", "ssrd")


def variable_of(name: str, standard_name: str = "") -> str | None:
    """Canonical name of a file's variable, from its own name or its CF standard name; None if it is none of ours."""
    return _named(VARIABLES, name, standard_name)


def hourly_variable_of(name: str, standard_name: str = "") -> str | None:
    """As :func:`variable_of` for the variables of hourly files; extremes of a day are none of them."""
    own = {key: value for key, value in VARIABLES.items() if key not in {"t2m_min", "t2m_max"}}
    return _named({**own, **HOURLY}, name, standard_name)


def _named(variables: Mapping[str, ClimateVariable], name: str, standard_name: str) -> str | None:
    for text in (name.lower(), standard_name.lower()):
        for canonical, variable in variables.items():
            if text and (text == canonical or text in variable.names):
                return canonical
    return None


def wind_at_2m(speed: float, height: float) -> float:
    """Wind at 2 m above grass from a measurement at another height in metres, m s-1 (FAO-56, equation 47)."""
    return speed * 4.87 / math.log(67.8 * height - 5.42)


def normalised_unit(text: str) -> str:
    """A unit in one spelling: ``mm/day``, ``mm day-1`` and ``mm d**-1`` all give ``d-1 mm``.

    Factors are sorted; words that cannot be read are kept, so that no table finds them.
    """
    spread = text.strip().lower().replace("**", "").replace("^", "").replace("_", " ")
    spread = spread.replace("degrees c", "c").replace("degree c", "c").replace("deg c", "c").replace("degrees ", "deg")
    factors = []
    for number, part in enumerate(spread.split("/")):
        for word in re.split(r"[\s.*·]+", part.strip()):
            match = _TOKEN.match(word)
            base = _SAME.get(match[1], match[1]) if match else word
            power = int(match[2] or 1) if match else 1
            power = -power if number else power
            factors.append(base if power == 1 else f"{base}{power}")
    return " ".join(sorted(f for f in factors if f))


def unit_text(normalised: str) -> str:
    """A normalised unit as people write it: ``d-1 mm`` as ``mm/day``, ``kg m-2 s-1`` as it is."""
    words = [_WRITTEN.get(w, w) for w in sorted(normalised.split(), key=lambda w: (w[-2:-1] == "-", w == "d-1"))]
    return f"{words[0]}/day" if words[1:] == ["d-1"] else " ".join(words)


def to_canonical(variable: str, name: str, unit: str | None, *, where: str) -> tuple[float, float]:
    """Factor and offset from a declared unit to the canonical one.

    Parameters
    ----------
    variable
        Canonical name.
    name
        Name in the file; wind at 10 m is brought to 2 m.
    unit
        Declared unit; None if the file declares none, which is taken as canonical only under the canonical name.
    where
        File and variable, for the message.

    Raises
    ------
    SourceError
        If the unit is unknown for the variable, or missing under another name.
    """
    spec = VARIABLES_AND_HOURLY[variable]
    if unit is None or not str(unit).strip():
        if name == variable:
            return 1.0, 0.0
        raise SourceError.of(where, "has no unit", "", f"Set its attribute 'units', for example '{spec.unit}'.")
    rule = spec.units.get(normalised_unit(str(unit)))
    if rule is None:
        known = ", ".join(unit_text(u) for u in spec.units)
        raise SourceError.of(
            where, f"unit of {variable} cannot be converted to {spec.unit}", repr(str(unit)), f"Use one of: {known}."
        )
    at_10m = variable in {"u10", "v10"} or name.lower() in WIND_AT_10M
    return rule[0] * (wind_at_2m(1.0, 10.0) if at_10m else 1.0), rule[1]


def is_rate(unit: str | None) -> bool:
    """Whether a unit holds a time (mm/h, W m-2): then an hour's total is its mean rate over the hour."""
    words = normalised_unit(str(unit or "")).split()
    return any(w in {"d-1", "h-1", "s-1", "w"} for w in words)
