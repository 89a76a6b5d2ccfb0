"""Draws figures; only modules of this package import matplotlib."""
