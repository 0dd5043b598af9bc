from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.assumptions import Assumptions
from plantation_rwa.valuation.correlation import NAMES, Correlation, nearest
from plantation_rwa.valuation.drivers import driver_correlation


def test_higham_2002_example() -> None:
    """The worked example of Higham (2002), section 4: its nearest correlation matrix to four digits."""
    matrix = np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 1.0]])
    repaired, change = nearest(matrix)
    expected = np.array([[1, 0.7607, 0.1573], [0.7607, 1, 0.7607], [0.1573, 0.7607, 1]])
    assert repaired == pytest.approx(expected, abs=5e-5)
    assert change == pytest.approx(1 - 0.7607, abs=5e-5)


def test_a_valid_matrix_is_left_alone(assumptions: Assumptions) -> None:
    found = driver_correlation(assumptions)
    assert found.repaired == 0.0
    assert found.matrix[NAMES.index("cpo"), NAMES.index("fx")] == 0.07
    # the whole common yield shock is correlated -0.2 with the price, ENSO explains 0.36 of its variance
    assert found.matrix[NAMES.index("cpo"), NAMES.index("yield")] == pytest.approx(-0.2 / 0.8)


def test_correlations_that_cannot_be_together_are_repaired_and_told() -> None:
    found = Correlation.of({"cpo-pk": 0.9, "cpo-fx": 0.9, "pk-fx": -0.9})
    assert found.repaired > 0.1
    assert np.linalg.eigvalsh(found.matrix).min() > 0
    assert np.diag(found.matrix) == pytest.approx(np.ones(5))


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        ({"cpo-oil": 0.1}, "'cpo-oil' is no pair of cpo, enso, yield, pk, fx"),
        ({"cpo-cpo": 0.1}, "is no pair of"),
        ({"cpo": 0.1}, "is no pair of"),
        ({"cpo-pk": 1.5}, "correlation cpo-pk is 1.5, outside -1 to 1"),
    ],
)
def test_pairs_that_are_refused(pairs: dict[str, float], told: str) -> None:
    with pytest.raises(ValueError, match=told.replace("(", r"\(")):
        Correlation.of(pairs)


@given(st.lists(st.floats(-1, 1), min_size=10, max_size=10))
def test_any_entries_give_a_valid_matrix(entries: list[float]) -> None:
    matrix = np.eye(5)
    matrix[np.triu_indices(5, 1)] = entries
    matrix = matrix + matrix.T - np.eye(5)
    repaired, change = nearest(matrix)
    assert np.linalg.eigvalsh(repaired).min() > -1e-7
    assert np.diag(repaired) == pytest.approx(np.ones(5), abs=1e-9)
    assert np.abs(repaired - repaired.T).max() == 0.0
    assert (change == 0.0) == (repaired is matrix)
