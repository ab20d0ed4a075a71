"""AlexNet with named taps (Krizhevsky et al., 2012), which colorization is compared with others by."""

from collections.abc import Mapping, Sequence
from functools import partial

from torch import Tensor, nn

from labelenc_mm.networks.tapped_chain import Link, TappedChain, as_convolution, conv_unit

# Channels and groups of the five convolutions.
ARCHITECTURES = {
    'krizhevsky': ((96, 256, 384, 384, 256), (1, 2, 1, 2, 2)),
    'torchvision': ((64, 192, 384, 256, 256), (1, 1, 1, 1, 1)),
}
_SHAPES = ((11, 4), (5, 1), (3, 1), (3, 1), (3, 1))  # size and stride
_POOLED = (1, 2, 5)
ALL_LAYERS = tuple(f'conv{i}' for i in range(1, 6)) + ('fc6', 'fc7')
_OF_TORCHVISION = {
    'features.0': 'conv1',
    'features.3': 'conv2',
    'features.6': 'conv3',
    'features.8': 'conv4',
    'features.10': 'conv5',
    'classifier.1': 'fc6',
    'classifier.4': 'fc7',
}


class TappedAlexNet(TappedChain):
    """AlexNet, its fully connected layers as convolutions where they are tapped.

    Taps, their strides and channels (of 'krizhevsky'):

    - ``data``, the image: 1, ``in_channels``
    - ``conv1`` … ``conv5``, behind ReLU: 4, 8, 16, 16, 16; 96, 256, 384, 384, 256
    - ``pool1``, ``pool2``, ``pool5``, 3x3 maxima of stride 2: 8, 16, 32; 96, 256, 256
    - ``fc6``, a 6x6 convolution, and ``fc7``, a 1x1 convolution, behind ReLU: 32; 4096

    Convolutions and poolings are padded, unlike the original's first one and its poolings, so that a map has
    a cell for every ``stride`` pixels, floor(size / stride) or one more; those of deep taps lie up to half a
    cell before where hypercolumns place them. There is no local response
    normalisation. torchvision's alexnet loads with ``arch='torchvision'``; ``classifier.1`` and ``.4`` become
    fc6 and fc7.

    Args:
        taps: Names as listed above.
        arch: 'krizhevsky', with the groups of the original, or 'torchvision', narrower and without.
        in_channels: Channels of the images.
        width_mult: Share of the channels of the convolutions.
        norm_cfg: Normalisation between convolution and ReLU.
        fc_channels: Channels of fc6 and fc7.
        fc_norm_cfg: Their normalisation.
        fc_dropout: Dropout after fc6 and fc7 in training.
        init_cfg: As in mmengine; None for training from scratch.
    """

    def __init__(
        self,
        taps: Sequence[str] = ALL_LAYERS,
        arch: str = 'krizhevsky',
        in_channels: int = 3,
        width_mult: float = 1.0,
        norm_cfg: dict | None = None,
        fc_channels: int = 4096,
        fc_norm_cfg: dict | None = None,
        fc_dropout: float = 0.5,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        if arch not in ARCHITECTURES:
            raise ValueError(f'arch={arch!r} of TappedAlexNet must be one of {[*ARCHITECTURES]}')
        chain = [Link('data', nn.Identity, in_channels, 1)]
        channels, stride = in_channels, 1
        layers = zip(*ARCHITECTURES[arch], _SHAPES, strict=True)
        for index, (width, groups, (kernel_size, step)) in enumerate(layers, 1):
            after = int(width * width_mult)
            build = partial(
                conv_unit,
                channels,
                after,
                kernel_size,
                step,
                norm_cfg=norm_cfg,
                groups=groups,
                # At stride 4 the 5 pixels of the others would give a cell too many.
                padding=4 if step == 4 else None,
            )
            channels, stride = after, stride * step
            chain.append(Link(f'conv{index}', build, channels, stride))
            if index in _POOLED:
                stride *= 2
                build_pool = partial(nn.MaxPool2d, 3, 2, padding=1)
                chain.append(Link(f'pool{index}', build_pool, channels, stride))
        for name, kernel_size in (('fc6', 6), ('fc7', 1)):
            build = partial(
                conv_unit,
                channels,
                fc_channels,
                kernel_size,
                norm_cfg=fc_norm_cfg,
                dropout=fc_dropout,
                padding='same',
            )
            chain.append(Link(name, build, fc_channels, stride))
            channels = fc_channels
        super().__init__(chain, taps, init_cfg)

    def from_torchvision(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """torchvision numbers all layers as they follow."""
        renamed = {}
        for key, value in state.items():
            layer, _, kind = key.rpartition('.')
            name = _OF_TORCHVISION.get(layer)
            if name is None or not hasattr(self, name):
                continue
            if name.startswith('fc') and kind == 'weight':
                value = as_convolution(value, self.get_submodule(f'{name}.conv'))
            renamed[f'{name}.conv.{kind}'] = value
        return renamed
