"""Data sets of the toolboxes, however they are wrapped: their samples, their classes, and what is odd in them."""
