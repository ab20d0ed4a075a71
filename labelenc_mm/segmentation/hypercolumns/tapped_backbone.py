"""Named taps for any backbone that a toolbox registers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from mmseg.registry import MODELS
from torch import Tensor

from labelenc_mm.engine.blank_image import undisturbed

OUTPUT = 'output'
"""Taps ``output0``, ``output1``, … are the outputs that the backbone gives by itself."""

# The mixin stands before a backbone's class in the bases; type checkers see a module.
if TYPE_CHECKING:
    from mmengine.model import BaseModule as _Backbone
else:
    _Backbone = object


class TapMixin(_Backbone):
    """Makes a backbone give out the outputs of named modules instead of its own."""

    taps: tuple[str, ...]
    tap_channels: tuple[int, ...]
    tap_strides: tuple[int, ...]

    def forward(self, *args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
        """Run the backbone; one (N, C, h, w) map a tap."""
        with self._watched() as maps:
            outputs = super().forward(*args, **kwargs)
        outputs = [outputs] if isinstance(outputs, Tensor) else list(outputs)
        maps.update({f'{OUTPUT}{index}': (output, None) for index, output in enumerate(outputs)})
        return tuple(self._pick(name, maps) for name in self.taps)

    @contextmanager
    def _watched(self) -> Iterator[dict[str, tuple[Any, int | None]]]:
        """Collect outputs, with a count of the changes in place that they have seen by then."""
        maps: dict[str, tuple[Any, int | None]] = {}

        def keep(name: str, output: Any) -> None:
            if name in maps:
                raise ValueError(
                    f'tap {name!r} of {type(self).__name__} runs more than once in a forward pass: tap '
                    'the module that uses it'
                )
            maps[name] = (output, _version(output))

        # Only while it runs: a copy of the model (EMA) would take permanent hooks along, and they
        # would collect into the original's dict.
        modules = dict(self.named_modules())
        handles = [
            modules[name].register_forward_hook(lambda _, __, out, name=name: keep(name, out))
            for name in self.taps
            if name in modules
        ]
        try:
            yield maps
        finally:
            for handle in handles:
                handle.remove()

    def _pick(self, name: str, maps: dict[str, tuple[Any, int | None]]) -> Tensor:
        owner = f'tap {name!r} of {type(self).__name__}'
        if name not in maps:
            raise ValueError(f'{owner}: the backbone does not run it; it gives {sorted(maps)}')
        output, version = maps[name]
        if not isinstance(output, Tensor) or output.dim() != 4:
            what = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(f'{owner} must be a (N, C, h, w) map, got {what}')
        if version is not None and version != _version(output):
            raise ValueError(
                f'{owner} is changed in place after it was computed, as by an in-place ReLU: tap the '
                'module that does so'
            )
        return output


def _version(output: Any) -> int | None:
    """How often a tensor was changed in place; unknown in inference mode."""
    return output._version if isinstance(output, Tensor) and not output.is_inference() else None


@MODELS.register_module(name='TappedBackbone')
def tapped_backbone(
    backbone: dict, taps: Sequence[str], in_channels: int = 3, probe_size: int = 64
) -> TapMixin:
    """Build a backbone and let it give out taps, whatever it gives out by itself.

    The result is an instance of a subclass of the backbone's own class: nothing of it moves, so its
    state-dict keys, its ``init_cfg`` and everything else stay as they are, and any checkpoint of the
    stock backbone loads. Parameters that no tap depends on get no gradient: leave those stages out
    (``num_stages`` of a ResNet) or set ``find_unused_parameters`` for distributed training.

    Args:
        backbone: Config of a registered backbone; one of MMDetection as ``mmdet.<Type>``.
        taps: Paths of modules, as in ``named_modules()``, whose outputs are wanted (``relu``,
            ``layer3.5``, …), or ``output0``, ``output1``, … for the backbone's own.
        in_channels: Channels of the images.
        probe_size: Side in pixels of an image of zeros that the backbone sees in evaluation mode, and
            another of twice the side, so that ``tap_channels`` and ``tap_strides`` are known. Must be a
            multiple of all strides.

    Returns:
        The backbone, with ``taps``, ``tap_channels`` and ``tap_strides``.

    Raises:
        ValueError: A tap is no such module, named twice, not a map, run several times, changed in place
            later, or of a stride that is no whole number.
    """
    model = MODELS.build(backbone)
    modules = [name for name, _ in model.named_modules() if name]
    unknown = [name for name in taps if name not in modules and not _is_output(name)]
    if isinstance(taps, str) or unknown or not taps or len(set(taps)) < len(taps):
        children = ', '.join(name for name in modules if '.' not in name)
        raise ValueError(
            f'taps={taps!r} must be different paths of modules of {type(model).__name__}, or '
            f'{OUTPUT}0 and so on; unknown: {unknown}. Its children are {children}'
        )
    stock = type(model)
    model.__class__ = type(f'Tapped{stock.__name__}', (TapMixin, stock), {})
    model.taps = tuple(taps)
    model.tap_channels, model.tap_strides = _probe(model, in_channels, probe_size)
    return model


def _is_output(name: str) -> bool:
    return name.startswith(OUTPUT) and name[len(OUTPUT) :].isdigit()


def _probe(model: TapMixin, in_channels: int, size: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Find channels and strides of the taps."""
    with undisturbed(model):
        # Of two sizes: 3 cells of 72 pixels are 24 a cell, or 32 rounded up.
        probes = [model(torch.zeros(1, in_channels, side, side)) for side in (size, 2 * size)]
    strides = []
    for name, small, large in zip(model.taps, *probes, strict=True):
        stride = size // small.shape[-1]
        sizes = [(size // stride,) * 2, (2 * size // stride,) * 2]
        if size % stride or [feature.shape[-2:] for feature in (small, large)] != sizes:
            raise ValueError(
                f'tap {name!r} of {type(model).__name__} has {tuple(small.shape[-2:])} cells for '
                f'{size} x {size} pixels and {tuple(large.shape[-2:])} for twice as many, which is no '
                'whole stride: try another probe_size'
            )
        strides.append(stride)
    return tuple(feature.shape[1] for feature in probes[0]), tuple(strides)
