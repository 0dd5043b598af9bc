"""Columns of the attested records."""

from __future__ import annotations

from plantation_rwa.schema.kinds import Field, text, whole

RECORD_FIELDS: tuple[Field, ...] = (
    text("record", "The record: canonical JSON (RFC 8785) of texts and integers."),
    text("salt", "32 bytes that stand before the record when it is hashed."),
    text("key_hash", "keccak256 of plantation, right and date joined by bars; first value of the leaf."),
    whole("merkle_index", "1", "Place of the leaf in the array of merkle.json.", 0),
    text("components", "Hash of each input and model part behind the record's hashes, canonical JSON."),
)
