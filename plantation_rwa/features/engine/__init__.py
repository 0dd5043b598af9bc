"""Many outlines of one tile in one pass over its pixels: each block is decoded once, clouds first.

``tests/features/plain_path.py`` says the same step by step in whole arrays; a differential test holds the engine to it.
"""
