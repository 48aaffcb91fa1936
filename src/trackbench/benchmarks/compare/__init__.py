"""Holds one result set against another: accuracy paired by animal, speed as a ratio."""
