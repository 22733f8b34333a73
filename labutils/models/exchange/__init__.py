"""Weights to and from the library transformers (`carry`), and models that others trained (`pretrained`)."""
