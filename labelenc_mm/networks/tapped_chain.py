"""Backbones whose intermediate feature maps have names, and one way of naming them.

A *tap* is a feature map that a network gives out, e.g. for hypercolumns. Its name is the path of the
module whose output it is, as in ``named_modules()``: ``conv3_3`` of a VGG, ``block2`` of a DenseNet,
``layer3.5`` of a ResNet. Every backbone with taps has three attributes, in the order in which its forward
gives the maps out: ``taps`` (names), ``tap_channels`` and ``tap_strides`` (pixels of the input a cell).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from torch import Tensor, nn

from labelenc_mm.checkpoint import CheckpointError

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


class TappedChain(BaseModule):
    """Named modules one after another, up to the last tap: what follows it is not built.

    So every parameter takes part in every forward pass, whichever taps are asked for.

    Weights in torchvision's layout (``features.0.weight``) are recognised and renamed when they are
    loaded, by whatever route: ``load_state_dict``, ``load_from``, ``init_cfg=dict(type='Pretrained',
    checkpoint=...)`` of this backbone or of a model around it. They must then be complete. So must any
    checkpoint of this backbone's own ``init_cfg``, which mmengine by itself would load in part.

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
        self._checkpoint: str | None = None

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """(N, C, H, W) images -> one (N, channels, about H / stride, W / stride) map a tap."""
        maps = {}
        for name, module in self.named_children():
            x = module(x)
            if name in self.taps:
                maps[name] = x
        return tuple(maps[name] for name in self.taps)

    def init_weights(self) -> None:
        """Initialise as ``init_cfg`` says.

        Raises:
            CheckpointError: A pretrained checkpoint lacks weights of this backbone, or theirs have
                other shapes; lists them.
        """
        configs = [self.init_cfg] if isinstance(self.init_cfg, Mapping) else self.init_cfg or []
        files = [cfg['checkpoint'] for cfg in configs if 'checkpoint' in cfg]
        self._checkpoint = ', '.join(files) or None
        try:
            super().init_weights()
        finally:
            self._checkpoint = None

    def from_torchvision(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename weights in torchvision's layout; subclasses know how.

        Args:
            state: Weights under torchvision's names, perhaps of parts that were not built.

        Returns:
            Weights under our names; those that have none are left out.
        """
        raise NotImplementedError

    def _load_from_state_dict(
        self, state_dict: dict, prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        given = {key[len(prefix) :]: key for key in state_dict if key.startswith(prefix)}
        is_torchvision = any(key.startswith(_TORCHVISION_PREFIX) for key in given)
        if is_torchvision:
            # Taken out, so that what is not used does not count as unexpected.
            foreign = {key: state_dict.pop(full) for key, full in given.items()}
            state_dict.update(
                {prefix + key: value for key, value in self.from_torchvision(foreign).items()}
            )
        if is_torchvision or self._checkpoint is not None:
            self._require_complete(state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

    def _require_complete(self, state_dict: Mapping[str, Tensor], prefix: str) -> None:
        problems = []
        for key, own in self.state_dict().items():
            found = state_dict.get(prefix + key)
            if found is None:
                # Old files lack this counter, which only matters where norm layers have no momentum.
                if not key.endswith('num_batches_tracked'):
                    problems.append(f'{key} is missing')
            elif found.shape != own.shape:
                problems.append(f'{key} is {tuple(found.shape)}, not {tuple(own.shape)}')
        if problems:
            raise CheckpointError(
                f'{self._checkpoint or "The checkpoint"} does not fit this {type(self).__name__}: '
                f'{"; ".join(problems)}. Give the weights of the same architecture (depth, with or '
                'without batch normalisation, input channels), or no pretrained weights.'
            )


def conv_unit(
    in_channels: int,
    out_channels: int,
    kernel_size: int = 3,
    stride: int = 1,
    norm_cfg: dict | None = None,
    bias: bool = True,
    dropout: float = 0.0,
) -> nn.Sequential:
    """Convolution that keeps the size at stride 1, normalisation if any, ReLU, dropout if any."""
    unit = nn.Sequential()
    unit.add_module(
        'conv',
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2, bias=bias),
    )
    if norm_cfg is not None:
        unit.add_module('norm', build_norm_layer(norm_cfg, out_channels)[1])
    unit.add_module('relu', nn.ReLU(inplace=True))
    if dropout > 0:
        unit.add_module('dropout', nn.Dropout(dropout))
    return unit
