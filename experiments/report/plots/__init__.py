"""Figures of runs and of their records."""
