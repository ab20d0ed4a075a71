"""Modules of a model by their paths, as a config names what is to be frozen."""

from collections.abc import Sequence

from torch import nn


def modules_at(
    model: nn.Module, paths: Sequence[str], owner: str, remedy: str = ''
) -> list[nn.Module]:
    """The modules at paths, each with parameters.

    Args:
        model: The model.
        paths: As in ``named_modules()``.
        owner: Who asks, for messages.
        remedy: What to do where a path names nothing, for the message.

    Raises:
        ValueError: A path names nothing, or a module without parameters.
    """
    parts = dict(model.named_modules())
    for path in paths:
        if path not in parts or not path:
            children = ', '.join(name for name, _ in model.named_children())
            raise ValueError(
                f'{owner}: {type(model).__name__} has no module {path!r}; its children are {children}{remedy}'
            )
        if next(parts[path].parameters(), None) is None:
            raise ValueError(
                f'{owner}: {path!r} is a {type(parts[path]).__name__} without parameters, so that nothing '
                'would be frozen; name a part that is trained'
            )
    return [parts[path] for path in paths]
