"""Field-of-view blocks: a larger receptive field on top of any backbone (Larsson et al., CVPR 2017, sec.
4.1)."""

from collections.abc import Sequence

from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from labelenc_mm.networks.tapped_chain import conv_unit


@MODELS.register_module()
class FieldOfViewNeck(BaseModule):
    """Adds maps behind the last one of a backbone: 2x2 max-pooling, 3x3 convolution and ReLU.

    Dilated convolutions would give the filters another meaning; these leave the pretrained network as it is,
    and its names, too: a neck fits VGG, AlexNet and ResNet alike. On VGG-16 the first block adds 160
    pixels to the receptive field, the second 320.

    Args:
        in_channels: Channels of the backbone's last map: ``fc_channels`` with ``fc7``, 2048 of a ResNet-152.
        channels: Channels of each block.
        num_blocks: Number of blocks.
        init_cfg: As in mmengine; by default random, after He and others (released code).
    """

    def __init__(
        self,
        in_channels: int,
        channels: int = 1024,
        num_blocks: int = 2,
        init_cfg: dict | list[dict] | None = None,
    ) -> None:
        super().__init__(init_cfg or dict(type='Kaiming', layer='Conv2d'))
        self.blocks = nn.ModuleList()
        for _ in range(num_blocks):
            # Caffe's pooling rounds up; so there is a cell of even the smallest map.
            pool = nn.MaxPool2d(2, 2, ceil_mode=True)
            self.blocks.append(nn.Sequential(pool, *conv_unit(in_channels, channels)))
            in_channels = channels

    def forward(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The maps of the backbone, and one (N, channels, ceil(h / 2), ceil(w / 2)) map a block behind
        them."""
        maps = list(inputs)
        for block in self.blocks:
            maps.append(block(maps[-1]))
        return tuple(maps)
