"""The rules of the house, read from the imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "plantation_rwa"
PIPELINES = PACKAGE.parent / "pipelines"
ROOMS = ("sources", "features", "panel", "forecast", "valuation", "screening", "attest", "publish")
#: modules that may know more than one room
HALLS = ("run", "cli", "simulate", "plan", "executor", "testing", "docs_build", "__main__")
PURE = ("features", "panel", "forecast", "valuation", "screening", "attest")
CLOCKS = {"time.time", "time.perf_counter", "datetime.now", "date.today", "datetime.utcnow", "Timestamp.now"}


def modules(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*.py"))


EVERYTHING = [
    path
    for folder in ("plantation_rwa", "pipelines", "tests", "benchmarks", "examples")
    for path in modules(PACKAGE.parent / folder)
]


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def room_of(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[0] == "plantation_rwa" else ""


def forbidden_rooms(path: Path, package: Path) -> set[str]:
    own = path.relative_to(package).parts[0].removesuffix(".py")
    if own in HALLS:
        return set()
    banned = {*ROOMS, *HALLS} - {own}
    return {room_of(name) for name in imported(path)} & banned


@pytest.mark.parametrize("path", modules(PACKAGE), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_a_room_imports_the_ground_floor_and_no_other_room(path: Path) -> None:
    assert forbidden_rooms(path, PACKAGE) == set()


@pytest.mark.parametrize("path", modules(PACKAGE), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_prefect_and_distributed_stay_in_their_places(path: Path) -> None:
    names = imported(path)
    assert not any(n == "prefect" or n.startswith(("prefect.", "prefect_")) for n in names)
    if path.name != "executor.py":
        assert not any(n.startswith(("dask.distributed", "distributed")) for n in names)


@pytest.mark.parametrize("path", modules(PIPELINES), ids=lambda p: p.name)
def test_pipelines_compute_nothing(path: Path) -> None:
    heavy = ("numpy", "pandas", "xarray", "rasterio", "sklearn", "geopandas", "scipy")
    assert not any(n.split(".")[0] in heavy for n in imported(path))


@pytest.mark.parametrize(
    "path", [p for room in PURE for p in modules(PACKAGE / room)], ids=lambda p: p.relative_to(PACKAGE).as_posix()
)
def test_pure_rooms_have_no_clock_no_files_no_logs(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    calls = {ast.unparse(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
    assert not {c for c in calls if any(c.endswith(clock) for clock in CLOCKS)}
    assert not calls & {"open", "print", "np.random.default_rng", "np.random.seed"}
    assert "logging" not in imported(path)


@pytest.mark.parametrize("path", EVERYTHING, ids=lambda p: p.relative_to(PACKAGE.parent).as_posix())
def test_no_module_is_longer_than_400_lines(path: Path) -> None:
    assert len(path.read_text("utf-8").splitlines()) <= 400


def test_the_import_rule_sees_a_room_that_reaches_into_another(tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    bad = tmp_path / "features" / "bad.py"
    bad.write_text("from plantation_rwa.sources.base import Scene\n")
    assert forbidden_rooms(bad, tmp_path) == {"sources"}
