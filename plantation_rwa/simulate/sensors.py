from __future__ import annotations
from pathlib import Path
import pandas as pd
def write_sensors(directory, seed, estates, daily, last, months, faults):
    return pd.DataFrame()
