"""Analyzes what training and compression did: measures, theorem, critical points, figures."""
