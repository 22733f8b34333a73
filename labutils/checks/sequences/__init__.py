"""Checks of the exercises of notebooks/sequences."""
