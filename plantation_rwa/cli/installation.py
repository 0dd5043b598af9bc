"""The command ``doctor``: whether this machine can do the work."""

from __future__ import annotations

import importlib.metadata as metadata
import os
import platform
import shutil
import tempfile
from pathlib import Path

from plantation_rwa.caches import VARIABLE, cache_folder
from plantation_rwa.cli import reach
from plantation_rwa.cli.console import error, result, table
from plantation_rwa.cli.reach import Finding
from plantation_rwa.config import Config, input_places, load_config
from plantation_rwa.errors import ConfigError, PublishError
from plantation_rwa.publish.leases import held_by
from plantation_rwa.publish.manifest import load_all
from plantation_rwa.publish.pruning import waste
from plantation_rwa.run.batches import Machine
from plantation_rwa.run.session import full_place, output_folder, ready
from plantation_rwa.stores import Store, is_store

_PACKAGES = (
    "numpy",
    "pandas",
    "pyarrow",
    "geopandas",
    "rasterio",
    "pyproj",
    "xarray",
    "dask",
    "scikit-learn",
    "prefect",
    "fastapi",
    "sqlalchemy",
)
#: versions from which on a package breaks the server of the Prefect that is pinned; docs/decisions/0002-pins.md
_BROKEN = {
    "fastapi": ((0, 151), "'prefect deploy' fails"),
    "sqlalchemy": ((2, 1), "no scheduled run is made"),
}
_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "private or requester-pays S3 buckets, Copernicus Data Space among them",
    "AWS_S3_ENDPOINT": "S3 stores other than Amazon's, Copernicus Data Space among them",
    "PC_SDK_SUBSCRIPTION_KEY": "a higher rate of Planetary Computer tokens",
}
_FREE_GB = 2.0


def doctor(config_path: Path | None) -> int:
    """Print findings; see ``plantation-rwa doctor --help``."""
    config = load_config(config_path) if config_path else None
    findings = [
        *_versions(),
        _gdal(),
        _proj(),
        *_credentials(),
        *_disk(config),
        *_outputs(config),
        *_memory(config),
        *reach.inputs(config),
        reach.service("PREFECT_API_URL"),
        reach.cluster("DASK_SCHEDULER_ADDRESS"),
    ]
    table("", ["what", "state", "finding"], [[f.what, f.state, f.text] for f in findings])
    result(findings=findings)
    bad = [f for f in findings if f.state == "bad"]
    for f in bad:
        error(f"{f.what}: {f.text}")
    return 1 if bad else 0


def _versions() -> list[Finding]:
    found = [Finding("python", "ok", platform.python_version())]
    for name in _PACKAGES:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            found.append(Finding(name, "bad", "not installed. Install the package again with its constraints."))
            continue
        broken = _BROKEN.get(name)
        if broken is not None and tuple(int(n) for n in version.split(".")[:2]) >= broken[0]:
            below = ".".join(str(n) for n in broken[0])
            found.append(Finding(name, "bad", f"{version}: with it {broken[1]}. Install one below {below}."))
        else:
            found.append(Finding(name, "ok", version))
    return found


def _gdal() -> Finding:
    import rasterio
    from rasterio.drivers import is_blacklisted
    from rasterio.env import GDALVersion

    version = str(GDALVersion.runtime())
    with rasterio.Env() as env:
        drivers = env.drivers()
    missing = [d for d in ("GTiff", "JP2OpenJPEG") if d not in drivers or is_blacklisted(d, "r")]
    if missing:
        return Finding("GDAL", "note", f"{version}, cannot read {', '.join(missing)}")
    return Finding("GDAL", "ok", f"{version}, reads GeoTIFF and JPEG 2000")


def _proj() -> Finding:
    from pyproj import Transformer

    x, y = Transformer.from_crs("EPSG:4326", "EPSG:32748", always_xy=True).transform(105.0, 0.0)
    good = abs(x - 500_000) < 1e-3 and abs(y - 10_000_000) < 1e-3
    return Finding(
        "PROJ",
        "ok" if good else "bad",
        "transforms UTM 48 south right" if good else f"gives {x:.1f}, {y:.1f}: check PROJ_DATA",
    )


def _credentials() -> list[Finding]:
    return [
        Finding(
            name,
            "ok" if os.environ.get(name) else "note",
            f"{'set' if os.environ.get(name) else 'not set'}; needed for {use}",
        )
        for name, use in _CREDENTIALS.items()
    ]


def _disk(config: Config | None) -> list[Finding]:
    """The output folder, without a configuration this one; of results or inputs in a store the cache too."""
    try:
        out = full_place(config) if config else ""
        folder = output_folder(config) if config else Path.cwd()
    except ConfigError as fault:
        return [Finding("output folder", "bad", str(fault))]
    places = [p for found in input_places(config).values() for p in found] if config else []
    found = [] if is_store(out) else [_room("output folder" if config else "this folder", folder, "publish.out")]
    if is_store(out) or any(is_store(p) for p in places):
        found.append(_room("cache", cache_folder() or Path(tempfile.gettempdir()), VARIABLE))
    return found


def _room(what: str, folder: Path, key: str) -> Finding:
    wanted = folder
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        return Finding(what, "bad", f"{folder.name}: is a file. Change {key}.")
    if not os.access(folder, os.W_OK):
        return Finding(what, "bad", f"{folder.name}: not writable. Change its permissions or {key}.")
    free = shutil.disk_usage(folder).free / 1e9
    if free <= _FREE_GB:
        return Finding(what, "bad", f"{free:.1f} GB free, {_FREE_GB:.0f} GB are wanted. Make room.")
    return Finding(what, "ok", f"{wanted} is writable, {free:.1f} GB free")


def _outputs(config: Config | None) -> list[Finding]:
    """What stands in the way of the next run in the output folder: other versions' files, other runs, remains."""
    try:
        folder = ready(full_place(config)) if config else None
        if config and is_store(full_place(config)):
            Store(full_place(config)).probe()
    except ConfigError:  # told beside the disk
        folder = None
    except PublishError as fault:
        return [Finding("outputs", "bad", str(fault))]
    if folder is None or not folder.is_dir():
        return []
    try:
        found = waste(folder)
    except PublishError as fault:
        return [Finding("outputs", "bad", str(fault))]
    findings = [Finding("outputs", "ok", f"{len(load_all(folder))} dates published")]
    if found:
        size = sum(one.bytes for one in found) / 1e6
        remedy = "The next run or 'plantation-rwa prune' removes them."
        findings = [Finding("outputs", "note", f"{len(found)} files, {size:.1f} MB, that no date needs. {remedy}")]
    return findings + [Finding("lease", "note", text) for text in held_by(folder)]


def _memory(config: Config | None) -> list[Finding]:
    """Whether the machine has what the configuration lets its workers use."""
    if config is None:
        return []
    workers, limit = config.compute.workers, Machine.of(1, config.compute.memory_limit).memory
    try:
        has = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return []
    text = f"{workers} workers of {config.compute.memory_limit}, {has / 1e9:.1f} GB in the machine"
    if workers * limit > has:
        return [Finding("memory", "bad", f"{text}. Lower compute.workers or compute.memory_limit.")]
    return [Finding("memory", "ok", text)]
