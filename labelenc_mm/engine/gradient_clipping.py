"""Gradients of ours, clipped by a norm of their own."""

from collections.abc import Callable, Iterable
from typing import Any

from mmengine.optim import OptimWrapper
from torch import Tensor
from torch.nn import Parameter


def clip_apart(optim_wrapper: OptimWrapper, own: Iterable[Parameter]) -> None:
    """Have an optimizer clip some parameters' gradients apart from those of all others.

    By a norm that spans both, large gradients of ours would shorten the steps of the model beside them. The
    norm that is logged is then that of the others.

    Args:
        optim_wrapper: With or without ``clip_grad``.
        own: The parameters.
    """
    if optim_wrapper.clip_grad_kwargs is not None:
        optim_wrapper.clip_func = _ClipApart(optim_wrapper.clip_func, own)


class _ClipApart:
    def __init__(self, clip: Callable[..., Tensor | None], own: Iterable[Parameter]) -> None:
        self.clip = clip
        self.own = {id(parameter) for parameter in own}

    def __call__(self, parameters: list[Parameter], **options: Any) -> Tensor | None:
        groups: tuple[list[Parameter], list[Parameter]] = ([], [])
        for parameter in parameters:
            groups[id(parameter) in self.own].append(parameter)
        others, own = groups
        if own:
            self.clip(own, **options)
        return self.clip(others, **options)
