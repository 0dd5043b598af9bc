"""Climate variables: the names and units they come under, and what a possible value is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from plantation_rwa.errors import SourceError

_DAY = 86400.0
_TOKEN = re.compile(r"^([a-z%°]+)(-?\d+)?$")
_SAME = {
    "day": "d", "days": "d", "sec": "s", "second": "s", "seconds": "s", "hr": "h", "hour": "h", "metre": "m", "meter": "m",
    "metres": "m", "meters": "m", "inch": "in", "inches": "in", "celsius": "degc", "c": "degc", "°c": "degc", "kelvin": "k",
    "fahrenheit": "degf", "f": "degf", "°f": "degf", "percent": "%", "pct": "%", "fraction": "1", "dimensionless": "1",
    "knots": "kn", "knot": "kn", "kt": "kn", "millimetre": "mm", "millimeter": "mm", "millimeters": "mm", "joule": "j", "watt": "w",
}  # fmt: skip


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


_TEMPERATURE = {"degc": (1.0, 0.0), "k": (1.0, -273.15), "degf": (5 / 9, -160 / 9)}

VARIABLES: Mapping[str, ClimateVariable] = {
    "precipitation": ClimateVariable(
        "mm d-1",
        ("precip", "pr", "tp", "prcp", "rain", "rainfall", "prectotcorr", "precipitation_amount", "precipitation_flux", "tprate"),
        {
            "mm": (1.0, 0.0), "d-1 mm": (1.0, 0.0), "kg m-2": (1.0, 0.0), "d-1 kg m-2": (1.0, 0.0), "kg m-2 s-1": (_DAY, 0.0),
            "mm s-1": (_DAY, 0.0), "m": (1e3, 0.0), "d-1 m": (1e3, 0.0), "m s-1": (_DAY * 1e3, 0.0), "cm": (10.0, 0.0),
            "cm d-1": (10.0, 0.0), "in": (25.4, 0.0), "d-1 in": (25.4, 0.0), "h-1 mm": (24.0, 0.0),
        },
        0.0, 2000.0, 0.05,
    ),
    "t2m_min": ClimateVariable("degC", ("tmin", "tasmin", "t2mmin", "mn2t", "tn", "t2m_daily_min"), _TEMPERATURE, -60.0, 60.0),
    "t2m_max": ClimateVariable("degC", ("tmax", "tasmax", "t2mmax", "mx2t", "tx", "t2m_daily_max"), _TEMPERATURE, -60.0, 60.0),
    "ssrd": ClimateVariable(
        "MJ m-2 d-1",
        ("rsds", "allsky_sfc_sw_dwn", "surface_downwelling_shortwave_flux_in_air", "surface_solar_radiation_downwards"),
        {
            "m-2 mj": (1.0, 0.0), "d-1 m-2 mj": (1.0, 0.0), "j m-2": (1e-6, 0.0), "d-1 j m-2": (1e-6, 0.0),
            "m-2 w": (_DAY * 1e-6, 0.0), "kwh m-2": (3.6, 0.0), "d-1 kwh m-2": (3.6, 0.0),
        },
        0.0, 50.0, 0.05,
    ),
    "rh": ClimateVariable("%", ("hurs", "rh2m", "relative_humidity", "r2"), {"%": (1.0, 0.0), "1": (100.0, 0.0)}, 0.0, 100.0, 3.0),
    "wind2m": ClimateVariable(
        "m s-1", ("ws2m", "u2", "wind_2m"), {"m s-1": (1.0, 0.0), "h-1 km": (1 / 3.6, 0.0), "kn": (0.514444, 0.0)}, 0.0, 75.0
    ),
}  # fmt: skip


def variable_of(name: str, standard_name: str = "") -> str | None:
    """Canonical name of a file's variable, from its own name or its CF standard name; None if it is none of ours."""
    for text in (name.lower(), standard_name.lower()):
        for canonical, variable in VARIABLES.items():
            if text and (text == canonical or text in variable.names):
                return canonical
    return None


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


def to_canonical(variable: str, unit: str | None, *, where: str, own_name: bool) -> tuple[float, float]:
    """Factor and offset from a declared unit to the canonical one.

    Parameters
    ----------
    variable
        Canonical name.
    unit
        Declared unit; None if the file declares none, which is taken as canonical only under the canonical name.
    where
        File and variable, for the message.
    own_name
        Whether the file uses the canonical name.

    Raises
    ------
    SourceError
        If the unit is unknown for the variable, or missing under another name.
    """
    spec = VARIABLES[variable]
    if unit is None or not str(unit).strip():
        if own_name:
            return 1.0, 0.0
        raise SourceError.of(where, "has no unit", "", f"Set its attribute 'units', for example '{spec.unit}'.")
    rule = spec.units.get(normalised_unit(str(unit)))
    if rule is None:
        known = ", ".join(sorted(spec.units))
        raise SourceError.of(
            where, f"unit of {variable} cannot be converted to {spec.unit}", repr(str(unit)), f"Use one of: {known}."
        )
    return rule
