"""Random numbers that belong to a key, whatever else is drawn."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plantation_rwa.streams import stream


def test_the_same_key_gives_the_same_numbers_on_every_machine() -> None:
    # fixed once from Philox 4x64 keyed by SHA-256 of "1|price|"; must never change within a major version
    assert stream(1, "price").integers(0, 1_000_000, 5).tolist() == [688111, 664305, 467815, 575950, 77328]
    assert stream(1, "price").random() == stream(1, "price").random()


@given(st.integers(0, 2**31), st.text(max_size=8), st.text(max_size=8))
def test_other_seeds_drivers_and_keys_give_other_numbers(seed: int, driver: str, key: str) -> None:
    driver = driver.replace("|", "")
    base = stream(seed, driver, key).random(4)
    assert not np.array_equal(base, stream(seed + 1, driver, key).random(4))
    assert not np.array_equal(base, stream(seed, driver + "x", key).random(4))
    assert not np.array_equal(base, stream(seed, driver, key + "x").random(4))


def test_a_separator_inside_a_plantation_id_cannot_forge_another_stream() -> None:
    with pytest.raises(ValueError, match=r"driver 'a\|b' must not contain '\|'"):
        stream(1, "a|b", "c")
    assert stream(1, "a", "b|c").random() != stream(1, "a", "b").random()


def test_streams_of_two_plantations_are_uncorrelated() -> None:
    first, second = (stream(7, "yield_own", name).standard_normal(20_000) for name in ("P-1", "P-2"))
    assert abs(np.corrcoef(first, second)[0, 1]) < 4 / np.sqrt(20_000)
