"""Checks of the exercises of notebooks/adversarial."""
