"""The two halves of the label autoencoder of "Regularizing Deep Networks by Modeling and Predicting
Label Structure" (CVPR 2018, sec. 3.1).

The encoder has five 3x3 convolutions with 2x2 max-pooling between them, the decoder mirrors it with
2x upsampling; nothing skips the code between them. The paper's variants, named by the width of the
code, are channel lists: ``(32,) * 5``, ``(32, 128, 128, 128, 128)`` and ``(32, 128, 128, 128, 256)``.
It leaves open the activation (here ReLU after every convolution but the decoder's last), the
normalisation (none), the kernel of the upsampling (bilinear) and the initialisation (normal, variance
2 / fan-in). "Between" five convolutions are four poolings, so that the code has stride 16.

Shape legend: N images, K classes, C channels of the code, (H, W) size of the label maps, s stride of
the code, (h, w) = (ceil(H / s), ceil(W / s)) its size.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from labelenc_mm.labels import VOID, convolve_label_maps, one_hot_label_maps

CHANNELS = (32, 128, 128, 128, 128)
"""Variant "128", which the paper uses most."""


class _LabelMapCoder(BaseModule):
    """What the halves share: the description of the code."""

    def __init__(self, num_classes: int, channels: Sequence[int], pool_last: bool) -> None:
        super().__init__()
        if num_classes < 2:
            raise ValueError(
                f'num_classes={num_classes}: maps of one class have no structure to encode, for every '
                'labelled pixel is of it. Make the background a class of its own (num_classes=2)'
            )
        if not channels or any(width < 1 for width in channels):
            raise ValueError(f'channels must be one positive number a convolution, got {channels}')
        self.num_classes = num_classes
        self.channels = tuple(channels)
        self.pool_last = pool_last
        self.stride = 2 ** (len(self.channels) - (not pool_last))

    def code_size(self, size: Sequence[int]) -> tuple[int, int]:
        """(h, w) of the code of (H, W) label maps."""
        height, width = size
        return -(-height // self.stride), -(-width // self.stride)


class LabelMapEncoder(_LabelMapCoder):
    """Encode label maps.

    Maps whose size is no multiple of the stride are extended by void pixels at the right and at the
    bottom, so that cell (i, j) of the code always begins at pixel (s i, s j).

    Args:
        num_classes: K, at least 2.
        channels: Output channels of the convolutions, the last one those of the code (sec. 3.1).
        pool_last: Whether a pooling follows the last convolution as well: stride 32 instead of 16 for
            five convolutions.
        ignore_index: Label of void pixels, zero in all channels.
    """

    def __init__(
        self,
        num_classes: int,
        channels: Sequence[int] = CHANNELS,
        pool_last: bool = False,
        ignore_index: int = VOID,
    ) -> None:
        super().__init__(num_classes, channels, pool_last)
        self.ignore_index = ignore_index
        widths = [num_classes, *self.channels]
        self.convs = nn.ModuleList(
            nn.Conv2d(widths[i], widths[i + 1], 3, padding=1) for i in range(len(self.channels))
        )

    def init_weights(self) -> None:
        """Initialise in place as described in the docstring of the module."""
        for index, conv in enumerate(self.convs):
            assert isinstance(conv, nn.Conv2d) and conv.bias is not None
            # Of the K channels of a one-hot map one is not zero: the fan-in is 9, whatever K.
            fan_in = 9 * (conv.in_channels if index else 1)
            nn.init.normal_(conv.weight, std=(2 / fan_in) ** 0.5)
            nn.init.zeros_(conv.bias)
        self._is_init = True

    def forward(self, label_maps: Tensor) -> Tensor:
        """Encode (N, H, W) integer label maps into the (N, C, h, w) code."""
        code = self.activations(label_maps, len(self.convs))[-1]
        return F.max_pool2d(code, 2) if self.pool_last else code

    def activations(self, label_maps: Tensor, count: int) -> list[Tensor]:
        """The outputs of the first convolutions, after ReLU and before pooling.

        Args:
            label_maps: (N, H, W) integers.
            count: How many convolutions.

        Returns:
            Output i has shape (N, channels[i], s h / 2^i, s w / 2^i): pixels of the extended maps.
        """
        height, width = label_maps.shape[-2:]
        rows, columns = self.code_size((height, width))
        margins = (0, columns * self.stride - width, 0, rows * self.stride - height)
        extended = F.pad(label_maps, margins, value=self.ignore_index)
        outputs = [F.relu(self._first(extended))]
        for conv in self.convs[1:count]:
            outputs.append(F.relu(conv(F.max_pool2d(outputs[-1], 2))))
        return outputs

    def _first(self, label_maps: Tensor) -> Tensor:
        """The first convolution: by lookup if it is frozen, which saves the one-hot maps.

        To ReLU and pooling the lookup took, on one CPU thread, of the dense form's time about the same
        for 5 classes, a third for 21 and a fifteenth for 150.
        """
        conv = self.convs[0]
        assert isinstance(conv, nn.Conv2d) and conv.bias is not None
        if not (conv.weight.requires_grad or conv.bias.requires_grad):
            return convolve_label_maps(label_maps, conv.weight, conv.bias, self.ignore_index)
        dtype = conv.weight.dtype
        return conv(one_hot_label_maps(label_maps, self.num_classes, self.ignore_index, dtype))


class LabelMapDecoder(_LabelMapCoder):
    """Decode the code into logits; the mirror image of :class:`LabelMapEncoder`.

    Args:
        num_classes: K, at least 2.
        channels: Those of the encoder, in the encoder's order (sec. 3.1).
        pool_last: That of the encoder.
        upsample_mode: 'bilinear' or 'nearest'.
    """

    def __init__(
        self,
        num_classes: int,
        channels: Sequence[int] = CHANNELS,
        pool_last: bool = False,
        upsample_mode: str = 'bilinear',
    ) -> None:
        super().__init__(num_classes, channels, pool_last)
        if upsample_mode not in ('bilinear', 'nearest'):
            raise ValueError(
                f"upsample_mode must be 'bilinear' or 'nearest', got {upsample_mode!r}"
            )
        self.upsample_mode = upsample_mode
        widths = [num_classes, *self.channels]
        self.convs = nn.ModuleList(
            nn.Conv2d(widths[i + 1], widths[i], 3, padding=1)
            for i in reversed(range(len(self.channels)))
        )

    def init_weights(self) -> None:
        """Initialise in place as described in the docstring of the module."""
        for conv in self.convs:
            assert isinstance(conv, nn.Conv2d) and conv.bias is not None
            nn.init.kaiming_normal_(conv.weight, nonlinearity='relu')
            nn.init.zeros_(conv.bias)
        self._is_init = True

    def forward(self, code: Tensor, size: Sequence[int] | None = None) -> Tensor:
        """Decode.

        Args:
            code: (N, C, h, w).
            size: (H, W) of the label maps if they are smaller than (s h, s w): what lies outside of
                them is cut off.

        Returns:
            (N, K, H, W) logits.
        """
        x = code
        for index, conv in enumerate(self.convs):
            if index or self.pool_last:
                x = self._upsample(x)
            x = conv(x)
            if index < len(self.convs) - 1:
                x = F.relu(x)
        return x if size is None else x[..., : size[0], : size[1]]

    def _upsample(self, x: Tensor) -> Tensor:
        align_corners = None if self.upsample_mode == 'nearest' else False
        return F.interpolate(
            x, scale_factor=2, mode=self.upsample_mode, align_corners=align_corners
        )
