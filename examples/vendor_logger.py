"""Turn a vendor's logger export into the sensor layout of plantation-rwa.

The export has four header lines (logger, variables, units, kind of value), one column per channel, local times with
the day first, and ``NAN`` for what is missing. Everything the pipeline must know and the file does not say (which
plantation, which depth, which zone, which order of dates) stands in ``STATIONS`` and ``CHANNELS``; nothing is guessed.

    python examples/vendor_logger.py EXPORT.csv OUT.csv
"""

from __future__ import annotations

import csv
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

HEADER = ["plantation_id", "station_id", "sensor_id", "variable", "depth_m", "time", "value", "unit"]
#: serial number of the logger -> plantation, zone of its clock
STATIONS = {"CR1000-48213": ("SIM-MY-01", "Asia/Kuala_Lumpur")}
#: channel of the export -> variable and depth in metres
CHANNELS = {
    "VWC_10": ("soil_moisture", "0.10"),
    "VWC_30": ("soil_moisture", "0.30"),
    "AirT": ("air_temperature", ""),
    "Rain_Tot": ("rain", ""),
}
#: unit as the vendor writes it -> unit of docs/inputs.md
UNITS = {"%": "%", "m^3/m^3": "m3/m3", "Deg C": "degC", "mm": "mm", "tips": "tips"}
DATES = "%d/%m/%Y %H:%M"
MISSING = {"", "NAN", "-6999"}


def adapt(export: Path, out: Path) -> int:
    """Write the readings of one export in the long layout; returns how many.

    Raises ``ValueError`` naming the line for a logger, channel, unit or date that is not declared above.
    """
    with export.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.reader(file))
    (_, serial, *_), names, units, _, *rows = lines
    if serial not in STATIONS:
        raise ValueError(f"{export.name} line 1: logger '{serial}' is not in STATIONS")
    plantation, zone = STATIONS[serial]
    channels = [
        (i, n, u) for i, (n, u) in enumerate(zip(names, units, strict=True)) if n not in {"TIMESTAMP", "RECORD"}
    ]
    for _, name, unit in channels:
        if name not in CHANNELS or unit not in UNITS:
            raise ValueError(f"{export.name} lines 2 and 3: channel '{name}' in '{unit}' is not declared")
    written = 0
    with out.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(HEADER)
        for number, row in enumerate(rows, start=5):
            try:
                local = datetime.strptime(row[0], DATES).replace(tzinfo=ZoneInfo(zone))
            except (ValueError, IndexError):
                raise ValueError(f"{export.name} line {number}: '{','.join(row)}' is no row of readings") from None
            for i, name, unit in channels:
                if row[i] not in MISSING:
                    variable, depth = CHANNELS[name]
                    where = [plantation, serial, f"{serial}-{name}", variable, depth]
                    table.writerow([*where, local.isoformat(), row[i], UNITS[unit]])
                    written += 1
    return written


if __name__ == "__main__":
    print(adapt(Path(sys.argv[1]), Path(sys.argv[2])), "readings")
