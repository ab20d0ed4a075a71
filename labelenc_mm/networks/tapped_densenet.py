"""DenseNet with named taps (Huang et al., CVPR 2017), for hypercolumns of all dense blocks."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from torch import Tensor, nn

from labelenc_mm.networks.tapped_chain import Link, TappedChain, conv_unit

_BOTTLENECK = 4  # channels of the 1x1 convolution in a dense layer, in multiples of the growth rate
_NORM = dict(type='BN')
# torchvision's first files wrote denselayer1.norm.1 for what is now denselayer1.norm1.
_OLD_SPELLING = re.compile(r'(denselayer\d+\.(?:norm|conv))\.([12]\.)')


@dataclass(frozen=True)
class DenseNetArch:
    """What tells one DenseNet from another; the defaults are those of DenseNet-121.

    Attributes:
        depths: Dense layers of each block.
        growth_rate: Channels that a dense layer adds.
        stem_channels: Channels of the first convolution.
        deep_stem: Three 3x3 convolutions (the last twice as wide) and 2x2 pooling instead of a 7x7
            convolution and 3x3 pooling.
        compression: Channels after a transition, as a share of those before.
        transitions: Pooling stride of the transition after each block, 1 for none. The last block has
            a transition only where there are as many as blocks.
    """

    depths: tuple[int, ...] = (6, 12, 24, 16)
    growth_rate: int = 32
    stem_channels: int = 64
    deep_stem: bool = False
    compression: float = 0.5
    transitions: tuple[int, ...] = (2, 2, 2)

    def __post_init__(self) -> None:
        if len(self.depths) - len(self.transitions) not in (0, 1):
            raise ValueError(
                f'a DenseNet of {len(self.depths)} blocks has one transition less, or as many; got '
                f'transitions={self.transitions}'
            )


ARCHITECTURES = {
    67: DenseNetArch((6, 8, 8, 8), 48, deep_stem=True, compression=1.0, transitions=(2, 2, 1, 1)),
    121: DenseNetArch(),
}


class TappedDenseNet(TappedChain):
    """DenseNet whose stem, dense blocks and transitions can be tapped.

    ============================== =============================================================
    tap                            what
    ============================== =============================================================
    ``stem``                       first convolution(s) after ReLU, stride 2
    ``block1``, ``block2``, …      all that the block's layers added to its input (no ReLU: a DenseNet
                                   normalises and rectifies where a map is read)
    ``transition1``, …             1x1 convolution and pooling after a block
    ``norm5`` (blocks + 1)         norm layer and ReLU after the last block
    ============================== =============================================================

    **DenseNet-67 is inferred.** Mostajabi et al. (CVPR 2018) give its depth, its growth rate of 48 and a
    figure. The DSOD detector's backbone (Shen et al., ICCV 2017) has that growth rate and 67
    convolutions: a stem of three, blocks of 6, 8, 8 and 8 layers, four transitions without compression
    of which only the first two pool, so that its last stride is 16. That is what ``arch=67`` builds,
    with DenseNet's average pooling in transitions; the fourth transition only where it is tapped.

    torchvision's densenet121 loads, in the present and in the old spelling of its keys.

    Args:
        arch: 67 (sec. 4; inferred), 121, or the fields of :class:`DenseNetArch` that differ from 121's.
        taps: Names as in the table. By default the stem and all blocks: 2880 channels for 121.
        in_channels: Channels of the images.
        norm_cfg: Norm layers.
        init_cfg: As in mmengine; None for training from scratch.
    """

    def __init__(
        self,
        arch: int | dict = 121,
        taps: Sequence[str] | None = None,
        in_channels: int = 3,
        norm_cfg: dict = _NORM,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        if isinstance(arch, int) and arch not in ARCHITECTURES:
            raise ValueError(
                f'DenseNet-{arch} is not among {sorted(ARCHITECTURES)}; give arch=dict(depths=..., '
                'growth_rate=...) instead'
            )
        design = ARCHITECTURES[arch] if isinstance(arch, int) else DenseNetArch(**arch)
        if taps is None:
            taps = ('stem', *(f'block{index + 1}' for index in range(len(design.depths))))
        super().__init__(_chain(design, in_channels, norm_cfg), taps, init_cfg)

    def from_torchvision(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """torchvision's blocks have the same structure under longer names."""
        names = (
            (r'^features\.(conv|norm)0\.', r'stem.\1.'),
            (r'^features\.denseblock(\d+)\.denselayer(\d+)\.', r'block\1.layer\2.'),
            (r'^features\.transition(\d+)\.', r'transition\1.'),
            (r'^features\.norm(\d+)\.', r'norm\1.norm.'),
        )
        renamed = {}
        for key, value in state.items():
            new = _OLD_SPELLING.sub(r'\1\2', key)
            for pattern, name in names:
                new = re.sub(pattern, name, new)
            if hasattr(self, new.split('.')[0]):
                renamed[new] = value
        return renamed


def _chain(design: DenseNetArch, in_channels: int, norm_cfg: dict) -> list[Link]:
    width = design.stem_channels
    unit = partial(conv_unit, norm_cfg=norm_cfg, bias=False)
    pool: partial[nn.MaxPool2d]
    if design.deep_stem:
        channels, pool = 2 * width, partial(nn.MaxPool2d, 2, 2)
        stem = partial(_deep_stem, unit, in_channels, width)
    else:
        channels, pool = width, partial(nn.MaxPool2d, 3, 2, 1)
        stem = partial(unit, in_channels, width, 7, 2)
    chain = [Link('stem', stem, channels, 2), Link('pool', pool, channels, 4)]
    stride = 4
    for index, depth in enumerate(design.depths):
        block = partial(DenseBlock, channels, depth, design.growth_rate, norm_cfg)
        channels += depth * design.growth_rate
        chain.append(Link(f'block{index + 1}', block, channels, stride))
        if index < len(design.transitions):
            pooling = design.transitions[index]
            reduced = int(channels * design.compression)
            transition = partial(_transition, channels, reduced, pooling, norm_cfg)
            channels, stride = reduced, stride * pooling
            chain.append(Link(f'transition{index + 1}', transition, channels, stride))
    name = f'norm{len(design.depths) + 1}'
    chain.append(Link(name, partial(_final_norm, channels, norm_cfg), channels, stride))
    return chain


def _deep_stem(unit: partial[nn.Sequential], in_channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        unit(in_channels, width, stride=2), unit(width, width), unit(width, 2 * width)
    )


def _transition(channels: int, reduced: int, pooling: int, norm_cfg: dict) -> nn.Sequential:
    transition = _final_norm(channels, norm_cfg)
    transition.add_module('conv', nn.Conv2d(channels, reduced, 1, bias=False))
    if pooling > 1:
        transition.add_module('pool', nn.AvgPool2d(pooling, pooling))
    return transition


def _final_norm(channels: int, norm_cfg: dict) -> nn.Sequential:
    layers = nn.Sequential()
    layers.add_module('norm', build_norm_layer(norm_cfg, channels)[1])
    layers.add_module('relu', nn.ReLU(inplace=True))
    return layers


class DenseLayer(nn.Module):
    """Norm, ReLU, 1x1 convolution, norm, ReLU, 3x3 convolution (Huang et al., sec. 3)."""

    def __init__(self, in_channels: int, growth_rate: int, norm_cfg: dict) -> None:
        super().__init__()
        width = _BOTTLENECK * growth_rate
        self.norm1 = build_norm_layer(norm_cfg, in_channels)[1]
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.norm2 = build_norm_layer(norm_cfg, width)[1]
        self.conv2 = nn.Conv2d(width, growth_rate, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, growth_rate, h, w)."""
        x = self.conv1(F.relu(self.norm1(x), inplace=True))
        return self.conv2(F.relu(self.norm2(x), inplace=True))


class DenseBlock(nn.Module):
    """Dense layers, each of which sees the block's input and the outputs of all before it."""

    def __init__(self, in_channels: int, depth: int, growth_rate: int, norm_cfg: dict) -> None:
        super().__init__()
        for index in range(depth):
            layer = DenseLayer(in_channels + index * growth_rate, growth_rate, norm_cfg)
            self.add_module(f'layer{index + 1}', layer)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C + depth * growth_rate, h, w)."""
        for layer in self.children():
            x = torch.cat([x, layer(x)], dim=1)
        return x
