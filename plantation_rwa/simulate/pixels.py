"""Reflectance of simulated canopies, clouds over them, and what a ground segment makes of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from plantation_rwa.simulate.world import Effects

Floats = NDArray[np.float64]
BANDS = ("B02", "B04", "B05", "B07", "B08", "B8A", "B11", "B12")
FINE = ("B02", "B04", "B08")
VISIBLE, INFRARED = ("B02", "B04", "B05"), ("B07", "B08", "B8A")
#: surface reflectance by class in the order of ``BANDS`` (domain/yield.md 7.2)
CLASSES: Mapping[str, tuple[float, ...]] = {
    "palm_0_2": (0.050, 0.085, 0.125, 0.225, 0.245, 0.260, 0.260, 0.175),
    "palm_3_5": (0.030, 0.045, 0.100, 0.300, 0.320, 0.335, 0.195, 0.095),
    "palm_8_18": (0.022, 0.028, 0.072, 0.300, 0.330, 0.345, 0.155, 0.062),
    "palm_22": (0.024, 0.032, 0.076, 0.270, 0.295, 0.310, 0.150, 0.063),
    "forest": (0.018, 0.020, 0.058, 0.285, 0.310, 0.325, 0.130, 0.052),
    "bare": (0.070, 0.130, 0.160, 0.205, 0.220, 0.240, 0.330, 0.290),
    "bare_peat": (0.035, 0.055, 0.065, 0.085, 0.095, 0.105, 0.150, 0.130),
    "cloud": (0.55, 0.56, 0.57, 0.59, 0.60, 0.60, 0.45, 0.38),
}
_AGE_KNOTS = (
    (0.0, "palm_0_2"),
    (1.5, "palm_0_2"),
    (4.0, "palm_3_5"),
    (8.0, "palm_8_18"),
    (18.0, "palm_8_18"),
    (23.0, "palm_22"),
)
PAD = 80
#: DN are multiples of this step: half of it is 0.0005 in reflectance, a sixth of the additive noise, and files shrink
STEP = 10


def canopy(age_years: float, deficit: float, nutrition: float, effects: Effects) -> dict[str, float]:
    """Noise-free reflectance of palms.

    Parameters
    ----------
    age_years
        Mixes the age classes linearly.
    deficit
        Water deficit of the last four months, hundreds of mm: lowers NDMI through B11.
    nutrition
        Standardised nutrition: moves CIre through B05 and, slightly, NDVI through B04.
    effects
        Sizes of both couplings.
    """
    ages = [a for a, _ in _AGE_KNOTS]
    table = np.array([CLASSES[c] for _, c in _AGE_KNOTS])
    rho = {b: float(np.interp(age_years, ages, table[:, i])) for i, b in enumerate(BANDS)}
    ndmi = (rho["B8A"] - rho["B11"]) / (rho["B8A"] + rho["B11"]) - effects.ndmi_deficit * deficit
    ndvi = (rho["B08"] - rho["B04"]) / (rho["B08"] + rho["B04"]) + effects.ndvi_nutrition * nutrition
    cire = rho["B07"] / rho["B05"] - 1.0 + effects.cire_nutrition * nutrition
    rho["B11"] = rho["B8A"] * (1 - ndmi) / (1 + ndmi)
    rho["B04"] = rho["B08"] * (1 - ndvi) / (1 + ndvi)
    rho["B05"] = rho["B07"] / (1.0 + max(cire, 0.05))
    return rho


def indices(rho: Mapping[str, float]) -> dict[str, float]:
    """The eight indices of a reflectance (domain/yield.md 2.1)."""
    ndvi = (rho["B08"] - rho["B04"]) / (rho["B08"] + rho["B04"])
    return {
        "ndvi": ndvi,
        "evi": 2.5 * (rho["B08"] - rho["B04"]) / (rho["B08"] + 6 * rho["B04"] - 7.5 * rho["B02"] + 1),
        "ndmi": (rho["B8A"] - rho["B11"]) / (rho["B8A"] + rho["B11"]),
        "ndre": (rho["B8A"] - rho["B05"]) / (rho["B8A"] + rho["B05"]),
        "cire": rho["B07"] / rho["B05"] - 1.0,
        "nirv": ndvi * rho["B08"],
        "kndvi": float(np.tanh(ndvi**2)),
        "nbr": (rho["B8A"] - rho["B12"]) / (rho["B8A"] + rho["B12"]),
    }


@dataclass(frozen=True)
class Sky:
    """Clouds over a chip on the 20 m grid; boolean arrays of one shape, ``scl`` as a ground segment labels it."""

    cloud: NDArray[np.bool_]
    haze: NDArray[np.bool_]
    shadow: NDArray[np.bool_]
    scl: NDArray[np.uint8]


def sky(rng: np.random.Generator, shape: tuple[int, int], cover: float, bare: bool) -> Sky:
    """A thresholded Gaussian field of clouds, a thin rim of haze, and shadows to the north-west.

    Eight per cent of the clouds' edge pixels are labelled vegetation, the rim is labelled 7 or 4: only a mask that
    is dilated by 60 m is clean. Over bare soil three per cent of the clear pixels are labelled cloud.
    """
    full = (shape[0] + 2 * PAD, shape[1] + 2 * PAD)
    field = ndimage.gaussian_filter(rng.normal(0, 1, full), rng.uniform(6, 16), mode="wrap")
    level = np.quantile(field, 1 - min(cover, 0.999)) if cover > 0 else np.inf
    cloud = ndimage.binary_opening(field > level, np.ones((3, 3)), iterations=2)
    down, right = (int(v) for v in rng.integers(15, 53, 2))
    shadow = np.zeros_like(cloud)
    shadow[: full[0] - down, : full[1] - right] = cloud[down:, right:]
    haze = ndimage.binary_dilation(cloud, np.ones((3, 3)), iterations=2) & ~cloud
    edge = cloud & ~ndimage.binary_erosion(cloud, np.ones((3, 3)))
    deep = cloud & ~ndimage.binary_erosion(cloud, np.ones((3, 3)), iterations=3)
    scl = np.full(full, 5 if bare else 4, dtype=np.uint8)
    if bare:
        scl[rng.random(full) < 0.03] = 8
    scl[shadow] = 3
    scl[haze] = np.where(rng.random(full) < 0.5, 7, 4)[haze]
    scl[cloud] = 9
    scl[deep] = 8
    scl[edge & (rng.random(full) < 0.08)] = 4
    inner = (slice(PAD, PAD + shape[0]), slice(PAD, PAD + shape[1]))
    return Sky(cloud[inner], haze[inner], (shadow & ~cloud)[inner], scl[inner])


def observe(rng: np.random.Generator, ground: Mapping[str, Floats], above: Sky) -> dict[str, NDArray[np.uint16]]:
    """Digital numbers without any offset: fine bands on the 10 m grid, the others on 20 m.

    Parameters
    ----------
    ground
        Noise-free reflectance per band on the 10 m grid, even shape.
    above
        Clouds on the 20 m grid.

    Returns
    -------
    dict
        ``uint16`` arrays, reflectance x 10,000 in steps of 10, at least 10.
    """
    wide = {name: np.kron(getattr(above, name), np.ones((2, 2))).astype(bool) for name in ("cloud", "haze", "shadow")}
    veil = float(rng.uniform(0.05, 0.35))
    texture = _noise(rng, wide["cloud"].shape, 6.0)
    out = {}
    for i, band in enumerate(BANDS):
        rho = ground[band] * (1 + 0.04 * _noise(rng, ground[band].shape, 1.3)) + 0.003 * _noise(
            rng, ground[band].shape, 1.3
        )
        dim = 0.45 if band in VISIBLE else 0.35 if band in INFRARED else 0.40
        bright = 0.35 if band in VISIBLE else 0.33 if band in INFRARED else 0.10
        rho = np.where(wide["shadow"], dim * rho, rho)
        rho = np.where(wide["haze"], (1 - veil) * rho + veil * bright, rho)
        rho = np.where(wide["cloud"], CLASSES["cloud"][i] * (1 + 0.05 * np.round(texture, 1)), rho)
        if band not in FINE:
            rho = rho.reshape(rho.shape[0] // 2, 2, rho.shape[1] // 2, 2).mean(axis=(1, 3))
        out[band] = np.maximum(np.round(rho * 1e4 / STEP) * STEP, STEP).astype(np.uint16)
    return out


def _noise(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> Floats:
    """Correlated standard normal noise; the smoothing kernel's energy is divided out."""
    smooth = ndimage.gaussian_filter(rng.normal(0, 1, shape), sigma, mode="wrap")
    return np.asarray(smooth * (2.0 * np.sqrt(np.pi) * sigma))
