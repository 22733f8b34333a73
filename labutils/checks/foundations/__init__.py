"""Checks of the exercises of notebooks/foundations."""
