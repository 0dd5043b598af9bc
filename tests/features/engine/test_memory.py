"""Memory of a unit of imagery work."""

from __future__ import annotations

from plantation_rwa.features.engine.memory import AHEAD, RESIDENT, ROW, Size, fits, unit_bytes


def test_known_answer() -> None:
    """A million pixels under three scenes of three bands, one month read while one is finished: 2 x 9 numbers each."""
    assert unit_bytes(1_000_000, 9, 1) == 1_000_000 * (2 * 2 * 9 + 16)


def test_many_small_plantations_are_cut_by_their_rows() -> None:
    """Ten years of a hectare: pixels are nothing, packed rows are what a unit holds."""
    sizes = [Size(100, 9, 120)] * 1000
    found = fits(sizes, RESIDENT + 100 * (unit_bytes(100, 9, 1) + 120 * ROW))
    assert [s.stop - s.start for s, _ in found] == [100] * 10


def test_units_fit_and_lose_no_polygon() -> None:
    sizes = [Size(n, 9) for n in (400_000, 3_000_000, 5_000_000, 10, 20, 9_000_000)]
    limit = RESIDENT + unit_bytes(5_500_000, 9, 1)
    found = fits(sizes, limit)
    assert [n for s, _ in found for n in range(len(sizes))[s]] == list(range(len(sizes)))
    assert [s for s, _ in found] == [slice(0, 2), slice(2, 5), slice(5, 6)]
    # what alone is beyond the limit is read one month after the other
    assert [ahead for _, ahead in found] == [1, 1, 0]
    assert fits([], limit) == []


def test_parts_are_of_about_equal_size() -> None:
    found = fits([Size(1000, 9)] * 10, 10**10, 3)
    assert [s for s, _ in found] == [slice(0, 4), slice(4, 8), slice(8, 10)]
    assert {ahead for _, ahead in found} == {AHEAD}
