"""The wheel, installed beside nothing of this checkout, does the work: all its data files are inside."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from plantation_rwa import __version__
from plantation_rwa.publish.manifest import damaged, load

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
SIMULATED = ["--seed", "7", "--plantations", "2", "--months", "3", "--imagery-plantations", "1"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel built from this checkout without a network."""
    target = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(target), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found = list(target.glob("*.whl"))
    assert [w.name for w in found] == [f"plantation_rwa-{__version__}-py3-none-any.whl"]
    return found[0]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment that has this one's dependencies and the wheel; the folder of its commands."""
    environment = tmp_path_factory.mktemp("venv") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True, timeout=300)
    python = environment / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-compile", str(wheel)]
    subprocess.run(pip, check=True, timeout=300)
    # after what is installed here: the dependencies of the environment that runs the tests
    purelib = next((environment / "lib").glob("python*")) / "site-packages"
    lines = "".join(f"{folder}\n" for folder in site.getsitepackages())
    (purelib / "zz_dependencies.pth").write_text(lines)
    return environment / "bin"


def command(installed: Path, folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command from another folder, without what points to this checkout."""
    environment = {k: v for k, v in os.environ.items() if k not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    return subprocess.run(
        [str(installed / "plantation-rwa"), *argv],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_every_file_of_the_packages_is_in_the_wheel_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        inside = {n for n in archive.namelist() if ".dist-info/" not in n}
    expected = {
        p.relative_to(ROOT).as_posix()
        for package in ("plantation_rwa", "pipelines")
        for p in (ROOT / package).rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    assert inside == expected
    for name in (
        "plantation_rwa/data/fiscal.csv",
        "plantation_rwa/data/holidays_my.csv",
        "plantation_rwa/publish/report/style.css",
        "plantation_rwa/simulate/sample.yaml",
        "plantation_rwa/simulate/sample_readme.md",
    ):
        assert name in inside
    assert len([n for n in inside if n.startswith("plantation_rwa/data/assumptions/") and n.endswith(".yaml")]) >= 4


def test_the_wheel_names_its_licence_its_command_and_its_dependencies(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        texts = {Path(n).name: archive.read(n).decode() for n in archive.namelist() if ".dist-info/" in n}
    assert "plantation-rwa = plantation_rwa.cli:main" in texts["entry_points.txt"]
    assert "License-Expression: Apache-2.0" in texts["METADATA"]
    assert "Apache License" in texts["LICENSE"]
    assert "Requires-Dist: geopandas" in texts["METADATA"]
    assert "Requires-Dist: prefect[dask]" in texts["METADATA"]


@pytest.mark.long
def test_the_installed_command_simulates_checks_and_values(installed: Path, tmp_path: Path) -> None:
    python = installed / "python"
    where = [str(python), "-c", "import plantation_rwa, pipelines; print(plantation_rwa.__file__, pipelines.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60).stdout.split()
    assert all(str(installed.parent) in place for place in found), found
    described = command(installed, tmp_path, "describe", "valuations")
    assert described.returncode == 0, described.stderr
    assert "npv_fair" in described.stdout
    simulated = command(installed, tmp_path, "simulate", "world", *SIMULATED)
    assert simulated.returncode == 0, simulated.stderr
    checked = command(installed, tmp_path, "check", "world/config.yaml")
    assert checked.returncode == 0, checked.stderr
    valued = command(installed, tmp_path, "run", "world/config.yaml", "--out", "out")
    assert valued.returncode == 0, valued.stderr
    manifest = load(tmp_path / "out", "2026-05-31")
    assert manifest is not None
    assert damaged(tmp_path / "out", manifest.outputs) == []
    assert len(manifest.tables("valuations")) == 1
    page = (tmp_path / "out" / "reports" / "as_of=2026-05-31" / "index.html").read_text()
    style = (ROOT / "plantation_rwa" / "publish" / "report" / "style.css").read_text()
    assert style.strip()[:80] in page
    again = command(installed, tmp_path, "run", "world/config.yaml", "--out", "out", "--runner", "processes")
    assert again.returncode == 0, again.stderr
    assert "nothing to recompute" in again.stdout
