"""Local files that are written as an address: ``file:///data/x.pth``."""

import os
from pathlib import Path
from urllib.parse import unquote

_SCHEME = 'file://'


def local_path(path: str | os.PathLike[str]) -> Path:
    """Return the path of a local file, also of one that is written as a ``file://`` address.

    Args:
        path: As a user gives it; ``~`` is the home folder.
    """
    text = os.fspath(path)
    if text.lower().startswith(_SCHEME):
        text = unquote(text[len(_SCHEME) :].removeprefix('localhost'))
    return Path(text).expanduser()


def is_remote(path: str | os.PathLike[str]) -> bool:
    """Whether it is an address of something that is no local file."""
    text = os.fspath(path)
    return '://' in text and not text.lower().startswith(_SCHEME)
