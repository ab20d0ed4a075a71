"""Backbones whose intermediate feature maps have names, and one way of naming them.

A *tap* is a feature map that a network gives out, e.g. for hypercolumns. Its name is the path of the
module whose output it is, as in ``named_modules()``: ``conv3_3`` of a VGG, ``block2`` of a DenseNet,
``layer3.5`` of a ResNet. Every backbone with taps has three attributes, in the order in which its forward
gives the maps out: ``taps`` (names), ``tap_channels`` and ``tap_strides`` (pixels of the input a cell).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from mmcv.cnn import build_norm_layer
from torch import Tensor, nn

from labelenc_mm.networks.complete_weights import CompleteWeights

# He initialisation, as both VGG and DenseNet are trained from scratch in torchvision.
SCRATCH = (
    dict(type='Kaiming', layer='Conv2d'),
    dict(type='Constant', layer=['_BatchNorm', 'GroupNorm'], val=1),
)
_TORCHVISION_PREFIX = 'features.'


class Link(NamedTuple):
    """One module of a chain: its name, how to build it, and the channels and stride of its output."""

    name: str
    build: Callable[[], nn.Module]
    channels: int
    stride: int


class TappedChain(CompleteWeights):
    """Named modules one after another, up to the last tap: what follows it is not built.

    So every parameter takes part in every forward pass, whichever taps are asked for.

    Weights in torchvision's layout (``features.0.weight``) are renamed when they are loaded.

    Args:
        chain: The modules in order.
        taps: Names of those whose outputs are wanted, in the order in which they are given out.
        init_cfg: As in mmengine. None initialises for training from scratch.

    Raises:
        ValueError: A tap is unknown or named twice, or there is none.
    """

    def __init__(
        self,
        chain: Sequence[Link],
        taps: Sequence[str],
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg=[dict(cfg) for cfg in SCRATCH] if init_cfg is None else init_cfg)
        links = {link.name: link for link in chain}
        unknown = [name for name in taps if name not in links]
        if isinstance(taps, str) or unknown or not taps or len(set(taps)) < len(taps):
            raise ValueError(
                f'taps={taps!r} of {type(self).__name__} must be different names out of '
                f'{", ".join(links)}' + (f'; unknown: {", ".join(unknown)}' if unknown else '')
            )
        self.taps = tuple(taps)
        self.tap_channels = tuple(links[name].channels for name in taps)
        self.tap_strides = tuple(links[name].stride for name in taps)
        last = max(list(links).index(name) for name in taps)
        for link in list(links.values())[: last + 1]:
            self.add_module(link.name, link.build())

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, C, H, W) images -> one (N, channels, about H / stride, W / stride) map a tap.

        Raises:
            ValueError: The images are smaller than a cell of a tap.
        """
        stride = max(self.tap_strides)
        if min(x.shape[-2:]) < stride:
            raise ValueError(
                f'images of (height, width) {tuple(map(int, x.shape[-2:]))} are smaller than a cell of the '
                f'coarsest tap of {type(self).__name__}, which has {stride} pixels: pad them '
                f'(data_preprocessor: size_divisor={stride} and test_cfg=dict(size_divisor={stride})), make '
                'them larger, or leave out that tap'
            )
        maps = {}
        for name, module in self.named_children():
            x = self.step(name, module, x)
            if name in self.taps:
                maps[name] = x
        return tuple(maps[name] for name in self.taps)

    def step(self, name: str, module: nn.Module, x: Tensor) -> Tensor:
        """Run one module of the chain; subclasses may prepare its input."""
        return module(x)

    def from_foreign(self, state: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
        """Weights in torchvision's layout begin with ``features.``."""
        if any(key.startswith(_TORCHVISION_PREFIX) for key in state):
            return self.from_torchvision(state)
        return None

    def from_torchvision(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename weights in torchvision's layout; subclasses know how.

        Args:
            state: Weights under torchvision's names, perhaps of parts that were not built.

        Returns:
            Weights under our names; those that have none are left out.
        """
        raise NotImplementedError


def conv_unit(
    in_channels: int,
    out_channels: int,
    kernel_size: int = 3,
    stride: int = 1,
    norm_cfg: dict | None = None,
    bias: bool = True,
    dropout: float = 0.0,
    groups: int = 1,
    padding: int | str | None = None,
) -> nn.Sequential:
    """Convolution that keeps the size at stride 1, normalisation if any, ReLU, dropout if any."""
    unit = nn.Sequential()
    padding = kernel_size // 2 if padding is None else padding
    unit.add_module(
        'conv',
        nn.Conv2d(
            in_channels, out_channels, kernel_size, stride, padding, bias=bias, groups=groups
        ),
    )
    if norm_cfg is not None:
        unit.add_module('norm', build_norm_layer(norm_cfg, out_channels)[1])
    unit.add_module('relu', nn.ReLU(inplace=True))
    if dropout > 0:
        unit.add_module('dropout', nn.Dropout(dropout))
    return unit


def as_convolution(weight: Tensor, convolution: nn.Module) -> Tensor:
    """A fully connected layer's weight, whose input was a flattened (C, k, k) map, as a convolution's.

    Where it does not fit it stays as it is, and the comparison of shapes names it.
    """
    shape = convolution.weight.shape
    assert isinstance(shape, torch.Size)
    return weight.view(shape) if weight.numel() == shape.numel() else weight
