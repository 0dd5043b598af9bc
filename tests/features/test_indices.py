"""Index formulas: missing bands, nodata, denominators, bounds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.features.indices import INDICES, needed_bands
from plantation_rwa.schema.fields import FIELDS
from tests.features.compiled_values import index_values
from tests.features.scene_factory import PALM


def test_bounds_are_those_of_the_registry() -> None:
    for name, index in INDICES.items():
        assert (index.lower, index.upper) == (FIELDS[name].lower, FIELDS[name].upper), name


@pytest.mark.parametrize("name", list(INDICES))
def test_missing_band_makes_only_its_indices_missing(name: str) -> None:
    for band in PALM:
        bands = {b: np.array([v]) for b, v in PALM.items() if b != band}
        assert (index_values(name, bands) is None) == (band in INDICES[name].bands)


def test_nodata_in_a_needed_band_gives_nan() -> None:
    bands = {b: np.array([v, v]) for b, v in PALM.items()}
    bands["B11"][0] = np.nan
    assert np.isnan(index_values("ndmi", bands)).tolist() == [True, False]
    assert np.isfinite(index_values("ndvi", bands)).all()


@pytest.mark.parametrize(
    ("name", "bands"),
    [
        ("ndvi", {"B04": 0.0, "B08": 0.0}),
        ("ndvi", {"B04": -0.02, "B08": 0.01}),
        ("cire", {"B05": 0.0, "B07": 0.3}),
        ("evi", {"B02": 0.4, "B04": 0.1, "B08": 0.3}),
    ],
)
def test_denominator_below_a_millionth_is_masked(name: str, bands: dict[str, float]) -> None:
    assert np.isnan(index_values(name, {b: np.array([v]) for b, v in bands.items()})[0])


def test_clipped_to_bounds() -> None:
    assert index_values("ndvi", {"B04": np.array([-0.02]), "B08": np.array([0.3])})[0] == 1.0
    assert index_values("evi", {"B02": np.array([0.15]), "B04": np.array([0.0]), "B08": np.array([0.9])})[0] == 1.5


@given(st.dictionaries(st.sampled_from(sorted(PALM)), st.floats(-0.05, 1.6), min_size=10))
def test_always_in_bounds_or_nan(reflectances: dict[str, float]) -> None:
    bands = {b: np.array([v]) for b, v in reflectances.items()}
    for name, index in INDICES.items():
        values = index_values(name, bands)
        assert values is not None
        assert np.isnan(values[0]) or index.lower <= values[0] <= index.upper


def test_needed_bands() -> None:
    assert needed_bands(("ndvi", "ndmi")) == ("B04", "B08", "B11", "B8A")
    assert "B03" not in needed_bands(tuple(INDICES))
