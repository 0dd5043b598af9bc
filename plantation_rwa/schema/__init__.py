"""The published contract: fields, tables, checks and the dictionary made from them."""
