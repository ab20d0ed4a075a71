"""Variables of recipes: their names, numbers, and the points of a grid."""

import re
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from labelenc_mm.recipes.checks import RecipeError, expect

_NAME = re.compile(r'\w+')
_EXPONENT = re.compile(r'[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+')


def expect_names(names: Iterable[Any], where: str) -> None:
    """Refuse what cannot be written as a placeholder."""
    for name in names:
        if not (isinstance(name, str) and _NAME.fullmatch(name)):
            raise RecipeError(
                f'{where}: "{name}" cannot be written as a placeholder; names are of letters, digits '
                'and _, in quotes where YAML would read something else (1, on, off, yes, no)'
            )


def numbers(value: Any) -> Any:
    """Nested values with what YAML 1.1 takes for text, 1e-3, as the number that is meant."""
    if isinstance(value, Mapping):
        return {key: numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [numbers(item) for item in value]
    is_number = isinstance(value, str) and _EXPONENT.fullmatch(value)
    return float(value) if is_number else value


def read_grid(grid: Any, where: str) -> list[dict[str, Any]]:
    """Points of variables: of a mapping of lists, all combinations; a list of points as it is."""
    grid = {} if grid is None else grid
    if isinstance(grid, Mapping):
        for name, values in grid.items():
            expect(values, list, f'{where}: {name}', 'a list of values')
            if not values:
                raise RecipeError(f'{where}: {name}: expected at least one value')
        return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    expect(grid, list, where, 'a mapping of lists, or a list of points')
    if not grid:
        raise RecipeError(f'{where}: expected at least one point')
    for point in grid:
        expect(point, dict, where, 'points that are mappings')
        if set(point) != set(grid[0]):
            raise RecipeError(f'{where}: {point} sets other variables than {grid[0]}')
    return [dict(point) for point in grid]
