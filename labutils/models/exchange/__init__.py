"""Weights to and from the library transformers (`carry`)."""
