"""Errors of recipes, and the checks that raise them."""

import difflib
import json
from collections.abc import Iterable, Mapping
from types import UnionType
from typing import Any

import yaml  # type: ignore[import-untyped]

from labelenc_mm.errors import LabelEncMMError


class RecipeError(LabelEncMMError, ValueError):
    """A recipe that cannot be run as it is written, or that does not fit the runs on disk."""


def read_yaml(text: str, where: str) -> Any:
    """Read YAML that somebody has written.

    Args:
        text: The YAML.
        where: What the message begins with.

    Raises:
        RecipeError: It cannot be read, or is nested without end.
    """
    try:
        value = yaml.safe_load(text)
        # What fails for numbers of thousands of digits, and for an alias inside of what it stands for.
        json.dumps(value, default=str, skipkeys=True)
    except (ValueError, yaml.YAMLError) as error:
        raise RecipeError(f'{where}: {error}') from error
    except RecursionError as error:
        raise RecipeError(f'{where}: lists or mappings are nested too deep') from error
    return value


def expect(value: Any, kind: type | UnionType, where: str, expected: str) -> None:
    """Refuse a value of another type.

    Args:
        value: What the recipe says.
        kind: The type that it must have.
        where: File and place, for the message.
        expected: The type in words.
    """
    if not isinstance(value, kind):
        found = f'{type(value).__name__} {value!r}'
        raise RecipeError(f'{where}: expected {expected}, found {found}')


def expect_known(names: Iterable[Any], known: Iterable[str], where: str, what: str) -> None:
    """Refuse names that are not among those known, and say which was probably meant."""
    known = list(known)
    for name in names:
        if name in known:
            continue
        close = difflib.get_close_matches(str(name), known, n=1)
        hint = f'did you mean "{close[0]}"?' if close else f'known: {", ".join(known) or "none"}'
        raise RecipeError(f'{where}: unknown {what} "{name}" ({hint})')


def expect_keys(mapping: Any, known: Iterable[str], where: str) -> None:
    """Refuse what is no mapping, and keys that mean nothing."""
    expect(mapping, dict, where, 'a mapping')
    expect_known(mapping, known, where, 'key')


def read_mapping(parent: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    """A mapping below a key; empty where there is none."""
    value = parent.get(key)
    if value is None:
        return {}
    expect(value, dict, f'{where}: {key}', 'a mapping')
    return dict(value)
