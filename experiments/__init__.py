"""Experiments: configurations, the recipe they run, and the records they leave."""
