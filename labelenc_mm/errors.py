"""Errors: the root of all that this package raises under a name of its own."""


class LabelEncMMError(Exception):
    """Something that this package refuses; the message says what was found, where, and what to do."""
