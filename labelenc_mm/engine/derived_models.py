"""Models of ours that are made from the toolbox's own: its class behind a mixin, its name behind a prefix."""

import inspect
from collections.abc import Callable
from typing import Any

from mmengine.registry import Registry


def derive_model(cls: type, mixin: type, prefix: str, what: str) -> Any:
    """``<prefix><Name>``, not yet registered; its ``stock_type`` names the toolbox's class.

    Args:
        cls: A class of the toolbox.
        mixin: Ours, which goes before it.
        prefix: Of the name.
        what: That the class is "with", for its docstring.
    """
    namespace = {
        'stock_type': cls.__name__,
        # The room, which has them as attributes.
        '__module__': '.'.join(mixin.__module__.split('.')[:2]),
        '__doc__': f'{cls.__name__} with {what}, see :class:`{mixin.__name__}`.',
    }
    return type(f'{prefix}{cls.__name__}', (mixin, cls), namespace)


def register_derived_models(
    models: Registry,
    base: type | tuple[type, ...],
    mixin: type,
    prefix: str,
    make: Callable[[Any], type],
) -> None:
    """Register one of ours for every registered model, refusals included.

    Args:
        models: The toolbox's registry, to which they go, too.
        base: What the models are subclasses of, one class or several.
        mixin: What those of ours are subclasses of.
        prefix: Of their names.
        make: From a model's class to ours; raises TypeError where there can be none, which is then what
            building it by name says.
    """
    for name, cls in list(models.module_dict.items()):
        if not (inspect.isclass(cls) and issubclass(cls, base)) or issubclass(cls, mixin):
            continue
        if f'{prefix}{name}' in models.module_dict:
            continue
        try:
            entry: Any = make(cls)
            entry.stock_type = name  # which need not be the name of the class
        except TypeError as error:
            entry = _refusal(str(error))
        models.register_module(name=f'{prefix}{name}', module=entry)


def _refusal(message: str) -> Any:
    """A registry entry that says why there is no such model."""

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise TypeError(message)

    return refuse
