"""Encoders that learn from the classes of whole images."""
