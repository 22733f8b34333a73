"""Checks of the exercises of notebooks/adaptation."""
