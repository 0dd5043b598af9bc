"""Many plantations of one tile in one pass over its pixels: each block is decoded once, clouds first.

It gives the answers of :func:`plantation_rwa.features.imagery.plantation_month`, which a differential test holds it to,
and is to take its place in the run; until then nothing but tests calls it.
"""
