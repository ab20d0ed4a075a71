"""Data sets of the toolboxes, however wrapped: their samples, their classes, and what is odd in them."""
