"""The hybrid vision transformer R50+ViT-B/16, the encoder of TransUNet and so of DDeP.

A ResNet-50 without its last stage makes the tokens of a transformer (Dosovitskiy et al., ICLR 2021);
TransUNet (Chen et al., 2021) reads maps of both. What published weights presume is that of the code that
trained them (``google-research/vision_transformer``): convolutions with standardised weights and TensorFlow's
padding, group normalisation, GELU by its tanh formula, no dropout of attention weights.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from labelenc_mm.networks.complete_weights import CompleteWeights

STRIDE = 16  # pixels a token
_EPS = 1e-6  # of all norm layers
_GROUPS = 32
_CONV_EPS = 1e-5  # added to the standard deviation of a kernel
_EXPANSION = 4  # of bottlenecks and of the transformer's hidden layers
_MAPS = 4
_SCRATCH = (
    dict(type='Kaiming', layer='Conv2d'),
    dict(type='Xavier', layer='Linear', distribution='uniform'),
)


class HybridViT(CompleteWeights):
    """R50+ViT-B/16 with the maps that a decoder reads as outputs.

    ===== ====== ======== =====================================
    index stride channels what
    ===== ====== ======== =====================================
    0     2      64       the root of the ResNet, after ReLU
    1     4      256      its first block
    2     8      512      its second block
    3     16     768      the transformer's tokens, normalised
    ===== ====== ======== =====================================

    Output maps are ceil(size / stride) large, for images of any size: learned position embeddings are
    interpolated to the size of the map. There is no class token, as in TransUNet.

    Weights trained on ImageNet-21k are converted by ``tools/model_converters/convert_hybrid_vit.py``. They
    expect RGB images in [-1, 1]: ``mean=[127.5] * 3``, ``std=[127.5] * 3``, ``bgr_to_rgb=True``.

    Args:
        img_size: Side in pixels, or (H, W), of the images whose positions are learned. Those of a checkpoint
            that was trained at another size are interpolated when it is loaded.
        in_channels: Channels of the images.
        base_channels: Channels of the root, a multiple of 32; the blocks have 4, 8 and 16 times as many.
        block_units: Bottlenecks of each of the three blocks.
        embed_dims: Channels of a token; the hidden layers have four times as many.
        num_layers: Layers of the transformer.
        num_heads: Attention heads of a layer.
        drop_rate: Dropout after position embeddings, attention and each fully connected layer in training.
        interpolate_mode: How position embeddings are interpolated: ``'bicubic'``, ``'bilinear'`` or
            ``'nearest'``.
        with_cp: Whether activations inside bottlenecks and layers are computed again in the backward pass,
            which saves memory and costs time.
        out_indices: Which of the maps are given out; the last one always.
        init_cfg: As in mmengine. None initialises for training from scratch.

    Raises:
        ValueError: Arguments do not fit each other.
    """

    def __init__(
        self,
        img_size: int | Sequence[int] = 224,
        in_channels: int = 3,
        base_channels: int = 64,
        block_units: Sequence[int] = (3, 4, 9),
        embed_dims: int = 768,
        num_layers: int = 12,
        num_heads: int = 12,
        drop_rate: float = 0.1,
        interpolate_mode: str = 'bicubic',
        with_cp: bool = False,
        out_indices: Sequence[int] = (0, 1, 2, 3),
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__([dict(cfg) for cfg in _SCRATCH] if init_cfg is None else init_cfg)
        _check(base_channels, block_units, embed_dims, num_heads, out_indices)
        height, width = (img_size, img_size) if isinstance(img_size, int) else img_size
        self.img_size = (height, width)
        self.interpolate_mode = interpolate_mode
        self.with_cp = with_cp
        self.out_indices = tuple(out_indices)
        self.conv_root = StdConv2d(in_channels, base_channels, 7, stride=2)
        self.gn_root = _group_norm(base_channels)
        channels = base_channels
        for index, units in enumerate(block_units):
            block = nn.Sequential()
            for unit in range(units):
                # The max-pooling before the first block halves its map.
                stride = 2 if index and not unit else 1
                bottleneck = Bottleneck(channels, base_channels * 2**index, stride)
                block.add_module(f'unit{unit + 1}', bottleneck)
                channels = base_channels * 2**index * _EXPANSION
            self.add_module(f'block{index + 1}', block)
        self.embedding = nn.Conv2d(channels, embed_dims, 1)
        grid = -(-height // STRIDE), -(-width // STRIDE)
        self.positions = nn.Parameter(torch.empty(1, embed_dims, *grid).normal_(std=0.02))
        self.dropout = nn.Dropout(drop_rate)
        layers = [_transformer_layer(embed_dims, num_heads, drop_rate) for _ in range(num_layers)]
        self.layers = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(embed_dims, eps=_EPS)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, in_channels, H, W) images -> one (N, channels, H / stride, W / stride) map an output."""
        x = F.relu(self.gn_root(self.conv_root(x)))
        maps = [x]
        # Padded with zeros, which no maximum of what ReLU gave out is below.
        x = F.max_pool2d(_pad_same(x, 3, 2), 3, 2)
        for block in (self.block1, self.block2, self.block3):
            for unit in block:
                x = self._run(unit, x)
            maps.append(x)
        maps[-1] = self._transform(self.embedding(x))
        return tuple(maps[index] for index in self.out_indices)

    def _transform(self, x: Tensor) -> Tensor:
        """(N, C, h, w) patches, through the transformer."""
        size = x.shape[-2:]
        x = x + self._resized(self.positions, size)
        x = self.dropout(x.flatten(2).transpose(1, 2))
        for layer in self.layers:
            x = self._run(layer, x)
        return self.norm(x).transpose(1, 2).unflatten(2, size)

    def _run(self, module: nn.Module, x: Tensor) -> Tensor:
        if self.with_cp and x.requires_grad:
            return checkpoint(module, x, use_reentrant=False)
        return module(x)

    def _resized(self, positions: Tensor, size: Sequence[int]) -> Tensor:
        """(1, C, h, w) position embeddings at another size."""
        if tuple(positions.shape[-2:]) == tuple(size):
            return positions
        corners = None if self.interpolate_mode == 'nearest' else False
        return F.interpolate(
            positions, tuple(size), mode=self.interpolate_mode, align_corners=corners
        )

    def from_foreign(self, state: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
        """Published files are no checkpoints of PyTorch: a tool converts them."""
        return None

    def _load_from_state_dict(
        self, state_dict: dict, prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        key = f'{prefix}positions'
        found = state_dict.get(key)
        if found is not None and found.ndim == 4 and found.shape[1] == self.positions.shape[1]:
            state_dict[key] = self._resized(found, self.positions.shape[-2:])
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


class StdConv2d(nn.Conv2d):
    """Convolution by standardised weights without bias, padded as TensorFlow's "SAME".

    Args:
        in_channels: Channels of the input.
        out_channels: Those of the output.
        kernel_size: Side of the kernel, odd.
        stride: Stride.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int = 1
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride))."""
        var, mean = torch.var_mean(self.weight, dim=(1, 2, 3), correction=0, keepdim=True)
        weight = (self.weight - mean) / (var.sqrt() + _CONV_EPS)
        kernel_size, stride = self.kernel_size[0], self.stride[0]
        if stride == 1:  # the same on both sides, without a copy of the map
            return F.conv2d(x, weight, padding=kernel_size // 2)
        return F.conv2d(_pad_same(x, kernel_size, stride), weight, stride=stride)


class Bottleneck(nn.Module):
    """ResNet's bottleneck with :class:`StdConv2d` and group normalisation, the stride in its 3x3 convolution.

    Args:
        in_channels: Channels of the input.
        channels: Those between the convolutions; the output has four times as many.
        stride: Stride.
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        out_channels = channels * _EXPANSION
        self.conv1 = StdConv2d(in_channels, channels, 1)
        self.gn1 = _group_norm(channels)
        self.conv2 = StdConv2d(channels, channels, 3, stride)
        self.gn2 = _group_norm(channels)
        self.conv3 = StdConv2d(channels, out_channels, 1)
        self.gn3 = _group_norm(out_channels)
        nn.init.zeros_(self.gn3.weight)  # from scratch a bottleneck begins as its shortcut
        self.has_projection = stride != 1 or in_channels != out_channels
        if self.has_projection:
            self.conv_proj = StdConv2d(in_channels, out_channels, 1, stride)
            self.gn_proj = _group_norm(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, 4 channels, ceil(H / stride), ceil(W / stride))."""
        shortcut = self.gn_proj(self.conv_proj(x)) if self.has_projection else x
        x = F.relu(self.gn1(self.conv1(x)))
        x = F.relu(self.gn2(self.conv2(x)))
        return F.relu(shortcut + self.gn3(self.conv3(x)))


def _group_norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(_GROUPS, channels, eps=_EPS)


def _transformer_layer(dims: int, num_heads: int, drop_rate: float) -> nn.TransformerEncoderLayer:
    layer = nn.TransformerEncoderLayer(
        dims,
        num_heads,
        dims * _EXPANSION,
        drop_rate,
        partial(F.gelu, approximate='tanh'),
        layer_norm_eps=_EPS,
        batch_first=True,
        norm_first=True,
    )
    layer.self_attn.dropout = 0.0
    return layer


def _pad_same(x: Tensor, kernel_size: int, stride: int) -> Tensor:
    """Pad with zeros so that ceil(size / stride) windows fit, the odd pixel right and below."""
    padding: list[int] = []
    for size in reversed(x.shape[-2:]):
        total = max((-(-size // stride) - 1) * stride + kernel_size - size, 0)
        padding += [total // 2, total - total // 2]
    return F.pad(x, padding)


def _check(
    base_channels: int,
    block_units: Sequence[int],
    embed_dims: int,
    num_heads: int,
    out_indices: Sequence[int],
) -> None:
    if base_channels < 1 or base_channels % _GROUPS:
        raise ValueError(
            f'base_channels={base_channels} of HybridViT must be a multiple of {_GROUPS}, the groups of its '
            'norm layers'
        )
    if len(block_units) != _MAPS - 1 or min(block_units) < 1:
        raise ValueError(
            f'block_units={block_units!r} of HybridViT must be three numbers, each at least 1'
        )
    if embed_dims % num_heads:
        raise ValueError(
            f'embed_dims={embed_dims} of HybridViT must be a multiple of num_heads={num_heads}'
        )
    rising = sorted({*out_indices, _MAPS - 1} & {*range(_MAPS)})
    if list(out_indices) != rising:
        raise ValueError(
            f'out_indices={out_indices!r} of HybridViT must be rising numbers out of {[*range(_MAPS)]}, the '
            f'last one {_MAPS - 1}: maps before it come from the same pass, and without it the transformer '
            'would learn nothing'
        )
