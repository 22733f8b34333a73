"""Checks of the exercises of notebooks/limits."""
