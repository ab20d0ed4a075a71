"""U-Net's decoder as a head for any encoder, as wide as DDeP pretrains it (Decoder Denoising Pretraining)."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from mmcv.cnn import ConvModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from torch import Tensor, nn

_LEVEL_CHANNELS = 128  # hidden units from the level to scales and shifts; the paper does not say


@MODELS.register_module()
class UNetDecoderHead(BaseDecodeHead):
    """Blocks that upsample, concatenate a skip and convolve twice, up to the input's resolution.

    The last block works at stride 1, the one before at stride 2 and so on. The map of the largest stride
    enters the first block, every other one is the skip of the block of its stride; blocks of strides
    that no map has go without. So five blocks fit encoders of two strides: with ResNet's 32 all upsample
    (U-Net), with TransUNet's 16 the first one only convolves.

    Maps are brought to the size of the skip, so images need not be multiples of anything. Scores cover
    the cells of the finest map, a few pixels more or less than an image that is no multiple of its stride;
    mmseg resizes them for loss and prediction.

    Args:
        in_channels: Channels of each map.
        strides: Pixels of the image a cell of each map; powers of 2, all different, in any order.
        num_classes: Classes.
        channels_list: Width of each block, from coarse to fine (sec. 4.3).
        width_mult: Factor of the widths: 1, 2 and 3 in the paper (sec. 4.3).
        in_index: Which outputs of the encoder are the maps; by default all in their order.
        upsample: Mode of interpolation, as in ``torch.nn.functional.interpolate``.
        norm_cfg: Norm layers after each convolution but the classifier; None for none, with biases instead.
        dropout_ratio: Before the classifier: none, as in U-Net and TransUNet.
        level_embedding: Whether the norms know the level of the noise (sec. 4.4, which found no
            improvement): scale and shift of the second norm of each block from :meth:`set_level`. They
            begin as none. For pretraining alone: a segmentation model has no level.
        **kwargs: Of mmseg's ``BaseDecodeHead``: losses, ``conv_cfg``, ``act_cfg``, ``align_corners`` …

    Raises:
        ValueError: Arguments do not fit each other.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        strides: Sequence[int],
        *,
        num_classes: int,
        channels_list: Sequence[int] = (1024, 512, 256, 128, 64),
        width_mult: int = 1,
        in_index: Sequence[int] | None = None,
        upsample: str = 'bilinear',
        norm_cfg: Mapping | None = dict(type='BN'),
        dropout_ratio: float = 0.0,
        level_embedding: bool = False,
        **kwargs: Any,
    ) -> None:
        in_index = list(range(len(in_channels)) if in_index is None else in_index)
        _check_maps(in_channels, strides, in_index, len(channels_list))
        widths = [width * width_mult for width in channels_list]
        super().__init__(
            list(in_channels),
            widths[-1],
            num_classes=num_classes,
            in_index=in_index,
            input_transform='multiple_select',
            norm_cfg=norm_cfg,
            dropout_ratio=dropout_ratio,
            **kwargs,
        )
        self.strides = tuple(strides)
        self.upsample = upsample
        # Of the output of each block, and by how much each enlarges what it gets.
        self.block_strides = [2**power for power in reversed(range(len(widths)))]
        self.block_scales = [a // b for a, b in pairwise((max(strides), *self.block_strides))]
        skips = dict(zip(strides, in_channels, strict=True))
        channels = skips.pop(max(strides))
        conv = dict(conv_cfg=self.conv_cfg, norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)
        self.blocks = nn.ModuleList()
        for width, stride in zip(widths, self.block_strides, strict=True):
            self.blocks.append(UNetBlock(channels + skips.get(stride, 0), width, conv))
            channels = width
        self.level: Tensor | None = None
        self.level_embedding = LevelEmbedding(widths) if level_embedding else None

    def set_level(self, log_sigma: Tensor | None) -> None:
        """Tell the level of the noise of the images to come, until it is told anew.

        Args:
            log_sigma: (N,) natural logarithms of the noise's standard deviation relative to the image's;
                None forgets them.

        Raises:
            ValueError: The head has no ``level_embedding``.
        """
        if self.level_embedding is None:
            raise ValueError(
                f'{type(self).__name__} was told the level of the noise, but has no embedding of it: set '
                'level_embedding=True'
            )
        self.level = log_sigma

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Outputs of the encoder -> (N, out_channels, H, W) scores at the resolution of the image."""
        maps = dict(zip(self.strides, self._transform_inputs(inputs), strict=True))
        x = maps.pop(max(maps))
        modulations = self._modulations(len(x))
        steps = zip(self.blocks, self.block_strides, self.block_scales, modulations, strict=True)
        for block, stride, scale, modulation in steps:
            x = block(self._enlarge(x, maps.get(stride), scale), modulation)
        return self.cls_seg(x)

    def _enlarge(self, x: Tensor, skip: Tensor | None, scale: int) -> Tensor:
        """The map at the size of the skip, with the skip; without one, larger by the scale."""
        size = [side * scale for side in x.shape[-2:]] if skip is None else skip.shape[-2:]
        if tuple(size) != tuple(x.shape[-2:]):
            corners = self.align_corners if self.upsample in ('bilinear', 'bicubic') else None
            x = resize(x, tuple(size), mode=self.upsample, align_corners=corners)
        return x if skip is None else torch.cat([x, skip], dim=1)

    def _modulations(self, count: int) -> Sequence[tuple[Tensor, Tensor] | None]:
        """Scale and shift of each block for so many images, or None where norms know no level."""
        if self.level_embedding is None:
            return [None] * len(self.blocks)
        if self.level is None or len(self.level) != count:
            given = 'no level' if self.level is None else f'levels of {len(self.level)}'
            raise ValueError(
                f'{type(self).__name__} with level_embedding=True has {count} images and {given}: call '
                'set_level with one number an image before each pass; for segmentation, without noise, '
                'leave level_embedding off'
            )
        return self.level_embedding(self.level)


class UNetBlock(nn.Module):
    """Two 3x3 convolutions, each with norm and activation.

    Args:
        in_channels: Channels of the map from below and of the skip.
        channels: Those of the output.
        conv: Options of ``ConvModule``.
    """

    def __init__(self, in_channels: int, channels: int, conv: dict) -> None:
        super().__init__()
        self.conv1 = ConvModule(in_channels, channels, 3, padding=1, **conv)
        self.conv2 = ConvModule(channels, channels, 3, padding=1, **conv)

    def forward(self, x: Tensor, modulation: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """Convolve (N, in_channels, h, w) to (N, channels, h, w).

        Args:
            x: The map from below with the skip.
            modulation: Scale and shift of the second norm, (N, channels, 1, 1) each.
        """
        x = self.conv1(x)
        if modulation is None:
            return self.conv2(x)
        scale, shift = modulation
        x = self.conv2(x, activate=False)
        x = x * (1 + scale) + shift
        return self.conv2.activate(x) if self.conv2.with_activation else x


class LevelEmbedding(nn.Module):
    """Scales and shifts of norm layers from the level of the noise, none of them at first.

    Args:
        widths: Channels of each norm layer.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.hidden = nn.Linear(1, _LEVEL_CHANNELS)
        self.output = nn.Linear(_LEVEL_CHANNELS, 2 * sum(widths))
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, log_sigma: Tensor) -> list[tuple[Tensor, Tensor]]:
        """(N,) levels -> for each layer scale and shift, (N, channels, 1, 1) each."""
        numbers = self.output(nn.functional.silu(self.hidden(log_sigma[:, None])))
        pairs = numbers[..., None, None].split([2 * width for width in self.widths], dim=1)
        return [pair.chunk(2, dim=1) for pair in pairs]


def _check_maps(
    in_channels: Sequence[int], strides: Sequence[int], in_index: Sequence[int], num_blocks: int
) -> None:
    if not len(in_channels) == len(strides) == len(in_index) > 0:
        raise ValueError(
            f'in_channels={list(in_channels)}, strides={list(strides)} and in_index={list(in_index)} of '
            'UNetDecoderHead must have one number for each map of the encoder that it reads'
        )
    skips = [2**power for power in range(num_blocks)]
    deepest = (2 ** (num_blocks - 1), 2**num_blocks)
    rest = sorted(strides)[:-1]
    if max(strides) not in deepest or len(set(strides)) < len(strides) or set(rest) - set(skips):
        raise ValueError(
            f'strides={list(strides)} of UNetDecoderHead: with {num_blocks} blocks (channels_list) the '
            f'largest must be {deepest[0]} or {deepest[1]} and the others different ones out of {skips}. '
            'Choose maps of the encoder by in_index, or as many blocks as it halves the image'
        )
