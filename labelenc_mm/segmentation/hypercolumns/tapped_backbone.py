"""Named taps for any backbone that a toolbox registers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mmseg.registry import MODELS
from torch import Tensor

from labelenc_mm.networks.blank_image import measure_maps
from labelenc_mm.networks.named_features import FeatureRecorder, own_output, pick_output

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
    recorder: FeatureRecorder
    """Of those taps that are modules."""

    def forward(self, *args: Any, **kwargs: Any) -> tuple[Tensor, ...]:
        """Run the backbone; one (N, C, h, w) map a tap."""
        with self.recorder.record() as maps:
            outputs = super().forward(*args, **kwargs)
        for name in self.taps:
            index = own_output(name)
            if index is not None:
                title = f'tap {name!r} of {type(self).__name__}'
                maps[name] = pick_output(outputs, index, title, self)
        return tuple(maps[name] for name in self.taps)


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
            ``layer3.5``, …), or ``output0``, ``output1``, … for the backbone's own: the names of
            :mod:`labelenc_mm.networks.named_features` without ``backbone.``.
        in_channels: Channels of the images.
        probe_size: Side in pixels of the first image of zeros that the backbone sees in evaluation mode,
            so that ``tap_channels`` and ``tap_strides`` are known. Must be a multiple of all strides.

    Returns:
        The backbone, with ``taps``, ``tap_channels`` and ``tap_strides``.

    Raises:
        ValueError: A tap is no such module, named twice, not a map, run several times, changed in place
            later, or of a stride that is no whole number.
    """
    model = MODELS.build(backbone)
    modules = [name for name, _ in model.named_modules() if name]
    unknown = [name for name in taps if name not in modules and own_output(name) is None]
    if isinstance(taps, str) or unknown or not taps or len(set(taps)) < len(taps):
        children = ', '.join(name for name in modules if '.' not in name)
        raise ValueError(
            f'taps={taps!r} must be different paths of modules of {type(model).__name__}, or '
            f'output0 and so on; unknown: {unknown}. Its children are {children}'
        )
    stock = type(model)
    model.__class__ = type(f'Tapped{stock.__name__}', (TapMixin, stock), {})
    model.taps = tuple(taps)
    model.recorder = FeatureRecorder(model, [n for n in taps if own_output(n) is None], inside=True)
    shapes = measure_maps(
        model,
        lambda image: model(image.new_zeros(1, in_channels, *image.shape[-2:])),
        'Try another probe_size of TappedBackbone',
        taps,
        [(probe_size, probe_size)],
    )
    model.tap_channels = tuple(shape.channels for shape in shapes)
    model.tap_strides = tuple(shape.stride for shape in shapes)
    return model
