"""The pyramid of label features: a detector's neck, once more, on the label encoder (LabelEnc, sec. 3.1)."""

import copy
import math
from collections.abc import Sequence
from typing import Any

from mmdet.registry import MODELS
from mmengine.model import BaseModule
from torch import Tensor, nn

from labelenc_mm.detection.introspection import common_width, level_widths
from labelenc_mm.engine.built_models import drop_pretrained


class _Levels(BaseModule):
    """The pyramid of a detector without a neck: the encoder's outputs as they are."""

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(features)


def build_pyramid(
    neck: dict | list[dict] | None,
    in_channels: Sequence[int],
    backbone_channels: Sequence[int] | None = None,
) -> nn.Module:
    """Build a detector's neck once more for the channels of the label encoder.

    Args:
        neck: Config of the neck, or a list of configs in order, or None.
        in_channels: Channels of the encoder outputs that feed it.
        backbone_channels: Channels of the backbone's outputs, in whose place they are. By default the
            neck is taken to list them in their order, or, if it takes one of them, the last one.
    """
    if neck is None:
        if backbone_channels is not None and list(in_channels) != list(backbone_channels):
            raise ValueError(
                "without a neck the head gets the label encoder's outputs as they are, with channels "
                f"{list(in_channels)} in place of the backbone's {list(backbone_channels)}. Set "
                'labelenc.encoder.out_channels or labelenc.encoder_outputs so that they are the same'
            )
        return _Levels()
    configs = copy.deepcopy(list(neck) if isinstance(neck, Sequence) else [neck])
    if 'in_channels' in configs[0]:
        configs[0]['in_channels'] = _in_the_place_of(
            configs[0]['in_channels'], in_channels, backbone_channels
        )
    for config in configs:
        drop_pretrained(config)  # weights for image features
    return MODELS.build(configs if isinstance(neck, Sequence) else configs[0])


def _in_the_place_of(
    listed: int | Sequence[int], ours: Sequence[int], theirs: Sequence[int] | None
) -> int | list[int]:
    """``in_channels`` of a neck with our channels where it lists those of the backbone.

    Some necks list the deepest output first, and one that takes a single output need not take the last.
    """
    theirs = list(theirs or ())
    if not isinstance(listed, Sequence):
        return ours[theirs.index(listed)] if listed in theirs else ours[-1]
    if list(listed) == theirs[::-1]:
        return list(ours)[::-1]
    return list(ours)


def measure_width(
    pyramid: nn.Module, in_channels: Sequence[int], strides: Sequence[int], neck: Any
) -> int:
    """The number of channels of all levels that a pyramid makes of label features.

    Args:
        pyramid: The pyramid.
        in_channels: Channels of the encoder outputs that feed it.
        strides: Their strides.
        neck: Its config, which is asked where it does not run on a CPU.

    Raises:
        ValueError: There is no such number.
    """

    def run(image: Tensor) -> Sequence[Tensor]:
        height, width = image.shape[-2:]
        return pyramid(
            [
                image.new_zeros(1, channels, math.ceil(height / s), math.ceil(width / s))
                for channels, s in zip(in_channels, strides, strict=True)
            ]
        )

    return common_width(level_widths(pyramid, run), type(pyramid).__name__, neck)
