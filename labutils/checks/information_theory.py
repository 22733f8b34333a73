"""Checks for the exercises of notebooks/foundations/information_theory.ipynb."""
