"""Which toolbox family is installed, and what mmengine has to know about us."""


def register() -> None:
    """Tell the installed toolboxes about this package."""
