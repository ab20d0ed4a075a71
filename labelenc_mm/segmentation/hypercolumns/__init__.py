"""Hypercolumn networks: one head for three papers, and any backbone with taps."""
