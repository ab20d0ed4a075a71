"""VGG-16 with named taps (Simonyan and Zisserman, 2015), the base of three papers' hypercolumns."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from labelenc_mm.networks.tapped_chain import (
    Link,
    TappedChain,
    as_convolution,
    conv_unit,
)

_CONVS = (2, 2, 3, 3, 3)  # convolutions a stage
_WIDTHS = (1, 2, 4, 8, 8)  # channels of a stage, in multiples of the first one's
ALL_CONVS = tuple(f'conv{s + 1}_{i + 1}' for s, convs in enumerate(_CONVS) for i in range(convs))


class TappedVGG(TappedChain):
    """VGG-16, its fully connected layers as convolutions where they are tapped.

    ===================== ========== ==================== ===================================
    tap                   stride     channels             what
    ===================== ========== ==================== ===================================
    ``data``              1          ``in_channels``      the image
    ``conv1_1`` …         1 … 16     64 128 256 512 512   after ReLU
    ``pool1`` … ``pool5`` 2 … 32     the same             2x2 max-pooling of the stage
    ``fc6``               32         4096                 7x7 convolution, padding 3, ReLU
    ``fc7``               32         4096                 1x1 convolution, ReLU
    ===================== ========== ==================== ===================================

    Output maps are floor(size / stride) large, fc6 and fc7 included. torchvision's vgg16 and vgg16_bn
    (``norm_cfg=dict(type='BN')``) load; ``classifier.0`` and ``.3`` become fc6 and fc7.

    Args:
        taps: Names as in the table. By default all 13 convolutions, 4224 channels in total: the "local
            slice of every CNN layer" of Mostajabi et al. (CVPR 2018, sec. 3), who leave open which.
        in_channels: Channels of the images.
        base_channels: Channels of the first stage; the others are multiples of it. VGG's is the
            default, as is that of fc6 and fc7.
        norm_cfg: Normalisation between convolution and ReLU; None for plain VGG.
        fc_channels: Channels of fc6 and fc7.
        fc_norm_cfg: Their normalisation: none in vgg16_bn, that of the convolutions in colorization
            (Larsson et al., CVPR 2017).
        fc_dropout: Dropout after fc6 and fc7 in training.
        pad_with_bias: Whether a convolution is padded by what the one before it makes of an input of zeros
            (its bias, normalised and rectified) in the place of zeros, from which activations grow towards
            the border (Larsson et al., sec. 4.1). Weights are the same.
        init_cfg: As in mmengine; None for training from scratch.
    """

    def __init__(
        self,
        taps: Sequence[str] = ALL_CONVS,
        in_channels: int = 3,
        base_channels: int = 64,
        norm_cfg: dict | None = None,
        fc_channels: int = 4096,
        fc_norm_cfg: dict | None = None,
        fc_dropout: float = 0.5,
        pad_with_bias: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        chain = [Link('data', nn.Identity, in_channels, 1)]
        channels, stride = in_channels, 1
        for stage, (convs, width) in enumerate(zip(_CONVS, _WIDTHS, strict=True), 1):
            widths = [channels] + [width * base_channels] * convs
            for index, (before, after) in enumerate(pairwise(widths), 1):
                build = partial(conv_unit, before, after, norm_cfg=norm_cfg)
                chain.append(Link(f'conv{stage}_{index}', build, after, stride))
            channels, stride = widths[-1], stride * 2
            chain.append(Link(f'pool{stage}', partial(nn.MaxPool2d, 2, 2), channels, stride))
        for name, kernel_size in (('fc6', 7), ('fc7', 1)):
            build = partial(
                conv_unit,
                channels,
                fc_channels,
                kernel_size,
                norm_cfg=fc_norm_cfg,
                dropout=fc_dropout,
            )
            chain.append(Link(name, build, fc_channels, stride))
            channels = fc_channels
        super().__init__(chain, taps, init_cfg)
        self.has_norm = norm_cfg is not None
        self._paddings: dict[str, tuple[Any, int]] = {}
        if pad_with_bias:
            children: list[tuple[str, Any]] = list(self.named_children())
            units = [each for each in children if isinstance(each[1], nn.Sequential)]
            for (_, left), (name, right) in pairwise(units):
                self._paddings[name] = left, right.conv.padding[0]
                right.conv.padding = (0, 0)

    def step(self, name: str, module: nn.Module, x: Tensor) -> Tensor:
        """Run one module; with ``pad_with_bias`` it finds padding around its input."""
        if name in self._paddings:
            before, padding = self._paddings[name]
            x = _frame(x, _answer_to_zeros(before), padding)
        return module(x)

    def from_torchvision(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """torchvision numbers convolutions, norm layers, ReLUs and poolings as they follow."""
        names = {}
        position = 0
        for name, module in self.named_children():
            if isinstance(module, nn.Sequential) and not name.startswith('fc'):
                names[f'features.{position}'] = f'{name}.conv'
                names[f'features.{position + 1}'] = f'{name}.norm'
                position += 3 if self.has_norm else 2
            elif name != 'data':
                position += 1
        names.update({'classifier.0': 'fc6.conv', 'classifier.3': 'fc7.conv'})
        renamed = {}
        for key, value in state.items():
            layer, _, kind = key.rpartition('.')
            name = names.get(layer)
            if name is None or not hasattr(self, name.split('.')[0]):
                continue
            if name.startswith('fc') and kind == 'weight':
                value = as_convolution(value, self.get_submodule(name))
            renamed[f'{name}.{kind}'] = value
        return renamed


def _answer_to_zeros(unit: Any) -> Tensor:
    """(C,) what convolution, normalisation by its statistics and ReLU make of zeros.

    Raises:
        TypeError: Normalisation that has no statistics makes no constant of zeros.
    """
    value = unit.conv.bias
    norm = getattr(unit, 'norm', None)
    if norm is not None and not isinstance(norm, nn.Identity):  # what is left of an absorbed one
        if not isinstance(norm, _BatchNorm):
            raise TypeError(
                f'pad_with_bias=True goes with batch normalisation or none, not with {type(norm).__name__}'
            )
        value = F.batch_norm(
            value[None],
            norm.running_mean,
            norm.running_var,
            norm.weight,
            norm.bias,
            training=False,
            eps=norm.eps,
        )[0]
    return value.relu()


def _frame(x: Tensor, values: Tensor, width: int) -> Tensor:
    """A map with so many cells of a value for each channel around it."""
    n, channels, rows, columns = x.shape
    frame = values.view(1, -1, 1, 1).expand(n, channels, rows + 2 * width, columns + 2 * width)
    framed = frame.to(x.dtype).clone()
    framed[:, :, width : width + rows, width : width + columns] = x
    return framed
