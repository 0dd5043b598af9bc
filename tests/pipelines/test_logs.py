"""What the library says reaches Prefect within a flow run, and nobody hears of Prefect outside of one."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

SAYING = """
import logging
from prefect import flow
logging.getLogger("plantation_rwa.publish.store_turn").warning("turn taken over")
"""


def settings(tree: dict[str, Any], above: str = "PREFECT") -> dict[str, str]:
    """Settings of a table of pyproject.toml by the names of their environment variables."""
    found: dict[str, str] = {}
    for name, value in tree.items():
        path = f"{above}_{name}".upper()
        found |= settings(value, path) if isinstance(value, dict) else {path: str(value).lower()}
    return found


def test_deployments_log_as_a_flow_that_is_run_from_this_folder() -> None:
    project = settings(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["prefect"])
    deployed = yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))["definitions"]["environment"]
    logging = {name: value for name, value in project.items() if "LOGGING" in name}
    assert logging == {name: value for name, value in deployed.items() if "LOGGING" in name}
    assert "plantation_rwa" in logging.values()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["the folder's settings", "those of a deployment"])
def test_outside_of_a_flow_run_nothing_is_handed_to_prefect(how: str, tmp_path: Path) -> None:
    """Prefect is imported and knows the library's loggers: its words are told as they are, with no word of Prefect."""
    deployed = yaml.safe_load((ROOT / "prefect.yaml").read_text("utf-8"))["definitions"]["environment"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    environment |= {"PREFECT_HOME": str(tmp_path), **({} if how == "the folder's settings" else deployed)}
    said = subprocess.run(
        [sys.executable, "-W", "always", "-c", SAYING],
        cwd=ROOT if how == "the folder's settings" else tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "turn taken over" in said.stderr
    assert "flow run" not in said.stderr
