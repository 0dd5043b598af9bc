"""Columns of ``sensor_flags`` and what the codes of ``qc_flag`` mean."""

from __future__ import annotations

from plantation_rwa.schema.kinds import Field, real, text, whole

SENSOR_FIELDS = (
    text("station_id", "Station of the sensor record."),
    text("sensor_id", "Sensor of the sensor record."),
    text("variable", "What the sensor measures."),
    real("depth_m", "m", "Depth of the sensor below the surface; null if none was given.", 3),
    text("first_reading", "Time of the first reading of the interval, ISO 8601, UTC."),
    text("last_reading", "Time of the last reading of the interval, ISO 8601, UTC."),
    whole("readings", "1", "Readings of the sensor in the interval, all with the same flags.", 1),
    real("raw_min", "see unit", "Lowest recorded value of the interval, converted to `unit`."),
    real("raw_max", "see unit", "Highest recorded value of the interval, converted to `unit`."),
    text("unit", "Unit of the values."),
    text("qc_flag", "Quality flags of the readings, ';'-joined; meanings in docs/inputs.md."),
    Field("counts", "bool", "", "Whether the readings count in the features: suspicious only, not wrong."),
)
