"""Known answers of domain/yield.md 2.1: the eight indices on palm reflectance, and the trap of baseline 04.00."""

from __future__ import annotations

import numpy as np
import pytest

from tests.features.compiled_values import index_values, reflectance
from tests.features.scene_factory import PALM


def _bands() -> dict[str, np.ndarray]:
    return {band: np.array([value]) for band, value in PALM.items()}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ndvi", 0.8436),
        ("evi", 0.5664),
        ("kndvi", 0.6117),
        ("ndmi", 0.3800),
        ("ndre", 0.6547),
        ("cire", 3.1667),
        ("nbr", 0.6953),
    ],
)
def test_index_of_mature_palm(name: str, expected: float) -> None:
    assert index_values(name, _bands())[0] == pytest.approx(expected, abs=5e-5)


def test_nirv_is_ndvi_times_near_infrared() -> None:
    assert index_values("nirv", _bands())[0] == pytest.approx(0.8436 * 0.330, abs=2e-5)


@pytest.mark.parametrize(("offset", "expected"), [(-1000.0, 0.8436), (0.0, 0.5412)])
def test_ndvi_of_shifted_numbers(offset: float, expected: float) -> None:
    """DN B04=1280, B08=4300: right with the offset, 0.54 without it."""
    bands = {
        b: reflectance(np.array([dn], "uint16"), nodata=0, scale=1e-4, offset=offset)
        for b, dn in (("B04", 1280), ("B08", 4300))
    }
    assert index_values("ndvi", bands)[0] == pytest.approx(expected, abs=5e-5)


def test_offset_taken_off_twice_is_rejected() -> None:
    """B04 would be -0.072: no reflectance, so the pixel is not used rather than clipped to 1."""
    assert np.isnan(reflectance(np.array([280], "uint16"), nodata=0, scale=1e-4, offset=-1000.0))[0]
