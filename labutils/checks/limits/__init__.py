"""Checks of the exercises of notebooks/transformers."""
