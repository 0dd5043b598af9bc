from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from plantation_rwa.valuation.waterfall import cover, distribute, service_like

amounts = arrays(np.float64, (6, 4), elements=st.floats(0, 1e6))


def test_kat_24_published_example() -> None:
    """domain/valuation.md 3.1: fee 5, balance 300, 8 % a period, all cash to the senior claim."""
    cash = np.array([100.0, 120.0, 60.0, 150.0, 140.0])[:, None]
    paid = distribute(cash, np.full((5, 1), 5.0), 300.0, np.full(5, 0.08), np.zeros(5))
    assert paid.senior[:, 0] == pytest.approx([95, 115, 55, 94.938048, 0], abs=1e-9)
    assert paid.junior[:, 0] == pytest.approx([0, 0, 0, 50.061952, 135], abs=1e-9)
    assert paid.balance[-1, 0] == 0


@given(amounts, st.floats(0, 1e5), st.floats(0, 3e6), st.floats(0, 0.3), st.floats(0, 1e5), st.booleans())
def test_every_path_conserves_cash(
    cash: np.ndarray, fee: float, balance: float, rate: float, reserve: float, full_sweep: bool
) -> None:
    scheduled = None if full_sweep else np.linspace(balance, 0, 7)[1:]
    paid = distribute(cash, np.full((6, 4), fee), balance, np.full(6, rate), np.full(6, reserve), scheduled)
    total = paid.fees + paid.senior + paid.reserve + paid.junior
    assert total == pytest.approx(cash, rel=1e-9, abs=1e-6)
    for part in (paid.fees, paid.senior, paid.junior, paid.balance):
        assert (part >= -1e-6).all()
    held = np.cumsum(paid.reserve, axis=0)
    assert (held >= -1e-6).all()
    assert held[-1] == pytest.approx(np.zeros(4), abs=1e-6), "the reserve is released at the end"
    owed = balance * (1 + rate) ** 6
    assert (paid.senior.sum(axis=0) <= owed + 1e-6).all()


def test_the_reserve_pays_what_is_short_and_is_released() -> None:
    """Service 50 a period without interest; the second period brings nothing, the reserve of 30 steps in."""
    cash = np.array([100.0, 0.0, 90.0])[:, None]
    paid = distribute(cash, np.zeros((3, 1)), 150.0, np.zeros(3), np.full(3, 30.0), np.array([100.0, 50.0, 0.0]))
    assert paid.senior[:, 0].tolist() == [50.0, 30.0, 70.0]
    assert paid.reserve[:, 0].tolist() == [30.0, -30.0, 0.0]
    assert paid.junior[:, 0].tolist() == [20.0, 0.0, 20.0]
    assert paid.balance[:, 0].tolist() == [100.0, 70.0, 0.0]


def test_service_follows_the_cash_expected() -> None:
    service, left = service_like(np.array([10.0, 30.0]), 80.0, np.array([0.0, 0.0]))
    assert service.tolist() == [20.0, 60.0]
    assert left.tolist() == [60.0, 0.0]
    assert service_like(np.zeros(2), 80.0, np.zeros(2))[0].tolist() == [0.0, 0.0]


def test_cover_is_the_worst_period() -> None:
    cash = np.array([[30.0, 60.0], [90.0, 30.0]])
    assert cover(cash, np.full((2, 2), 10.0), np.array([20.0, 40.0])).tolist() == [1.0, 0.5]
    assert cover(cash, cash * 0, np.zeros(2)).tolist() == [np.inf, np.inf]
