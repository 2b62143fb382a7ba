"""Encoders: what they learn from the training split, and how a fitted one turns values into columns."""
