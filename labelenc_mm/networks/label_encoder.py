"""The label encoding function h(.) of LabelEnc (ECCV 2020, sec. 3.4 and Table 8).

A small residual network without normalisation whose input is one map per class. Of the C classes
only the K present ones have a map that is not zero, so that the stem convolves the K maps with the K
matching slices of its weight: the dense result at K / C of the cost, for 3 classes as for 1203. It has
no activation either, so that it is merged with the two 1x1 convolutions that follow it: products of
their weights with those K slices replace the stem's full-width output.

Shape legend: C classes of the data set, K classes present in an image, N images, (H, W) input size.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule, Sequential
from torch import Tensor, nn

_NUM_BLOCKS = (1, 2, 2, 1)  # bottlenecks of each stage: LabelEnc, Table 8


class LabelBottleneck(BaseModule):
    """Residual bottleneck without normalisation (LabelEnc, Table 8): 1x1, 3x3 (stride), 1x1.

    Args:
        in_channels: Channels of the input.
        mid_channels: Channels between the 1x1 convolutions.
        out_channels: Channels of the output. Where they differ from ``in_channels`` a 1x1 convolution
            without bias projects the identity.
        stride: Stride of the 3x3 convolution and of the projection.
    """

    def __init__(
        self, in_channels: int, mid_channels: int, out_channels: int, stride: int = 1
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, mid_channels, 1)
        self.conv2 = nn.Conv2d(mid_channels, mid_channels, 3, stride=stride, padding=1)
        self.conv3 = nn.Conv2d(mid_channels, out_channels, 1)
        self.projection: nn.Module = nn.Identity()
        if in_channels != out_channels or stride != 1:
            self.projection = nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, h, w) -> (N, out_channels, ceil(h / stride), ceil(w / stride))."""
        return self.finish(self.conv1(x), self.projection(x))

    def finish(self, hidden: Tensor, identity: Tensor) -> Tensor:
        """The block's output from those of ``conv1``, which is overwritten, and ``projection``."""
        out = F.relu(hidden, inplace=True)
        out = F.relu(self.conv2(out), inplace=True)
        return F.relu(self.conv3(out).add_(identity), inplace=True)


class LabelEncoder(BaseModule):
    """Encode object maps into feature maps of strides 4, 8, 16 and 32.

    Initialisation, as in the released code: weights of the bottlenecks uniform in +-sqrt(3 / fan_in);
    the stem and all biases as PyTorch initialises a convolution. (The paper's sec. 3.2 speaks of
    Gaussian weights.)

    Args:
        num_classes: Number of classes C of the data set, filled in by the detector.
        stem_channels: Output channels of the 7x7 stride-2 stem (Table 8), which has no activation (the
            released code).
        out_channels: Output channels of each of the 4 stages, multiples of 4 (Table 8); bottlenecks are
            a quarter as wide inside.
    """

    strides = (4, 8, 16, 32)

    def __init__(
        self,
        num_classes: int,
        stem_channels: int = 128,  # LabelEnc, Table 8
        out_channels: Sequence[int] = (256, 512, 1024, 2048),
    ) -> None:
        super().__init__()
        if num_classes < 1:
            raise ValueError(f'num_classes must be positive, got {num_classes}')
        if len(out_channels) != len(self.strides):
            raise ValueError(
                f'LabelEncoder has {len(self.strides)} stages; got out_channels={out_channels}'
            )
        if any(channels % 4 for channels in out_channels):
            raise ValueError(f'out_channels must be multiples of 4, got {out_channels}')
        self.num_classes = num_classes
        self.out_channels = tuple(out_channels)
        self.stem = nn.Conv2d(num_classes, stem_channels, 7, stride=2, padding=3)
        self.stages = nn.ModuleList()
        in_channels = stem_channels
        for blocks, channels in zip(_NUM_BLOCKS, out_channels, strict=True):
            stage = [LabelBottleneck(in_channels, channels // 4, channels, stride=2)]
            stage += [LabelBottleneck(channels, channels // 4, channels) for _ in range(blocks - 1)]
            self.stages.append(Sequential(*stage))
            in_channels = channels

    def init_weights(self) -> None:
        """Initialise in place as described in the docstring of the class."""
        self.stem.reset_parameters()
        for module in self.stages.modules():
            if isinstance(module, nn.Conv2d):
                module.reset_parameters()  # biases
                nn.init.kaiming_uniform_(module.weight, a=1)
        self._is_init = True

    def forward(self, object_maps: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, ...]:
        """Encode the object maps of N images.

        Args:
            object_maps: Per image ``classes`` (K,) int64 and ``maps`` (K, H, W) float32 as
                :func:`labelenc_mm.labels.draw_object_maps` returns them; K may differ and be 0.

        Returns:
            4 tensors of shape (N, out_channels[i], ceil(H / strides[i]), ceil(W / strides[i])).
        """
        first_stage: Any = self.stages[0]
        first, *others = first_stage
        hidden, identity = zip(*(self._enter(first, *image) for image in object_maps), strict=True)
        x = first.finish(torch.cat(hidden), torch.cat(identity))
        for block in others:
            x = block(x)
        features = [x]
        for stage in self.stages[1:]:
            features.append(stage(features[-1]))
        return tuple(features)

    def _enter(
        self, first: LabelBottleneck, classes: Tensor, maps: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What ``conv1`` and ``projection`` of the first block make of the stem's output for an image.

        They are 1x1 convolutions of a linear function of the maps, i.e. the convolutions of the maps
        with the products of both weights, for ``projection`` with the product of both strides.
        """
        if len(classes) == 0:
            # A zero map of any class: the weight keeps its place in the graph, with a zero gradient,
            # so that every process of a distributed run sees the same parameters used.
            classes = classes.new_zeros(1)
            maps = maps.new_zeros(1, *maps.shape[1:])
        stem = self.stem.weight.index_select(1, classes)
        layers: tuple[Any, Any] = (first.conv1, first.projection)
        outputs = []
        for layer in layers:
            # A product of weights, of which autocast would round the factors, too.
            with torch.autocast(maps.device.type, enabled=False):
                matrix = layer.weight.flatten(1)
                weight = (matrix @ stem.flatten(1)).unflatten(1, stem.shape[1:])
                bias = matrix @ self.stem.bias
                if layer.bias is not None:
                    bias = bias + layer.bias
            stride = 2 * layer.stride[0]
            outputs.append(F.conv2d(maps.unsqueeze(0), weight, bias, stride=stride, padding=3))
        return outputs[0], outputs[1]
