"""The feature adaptation block A(.) of LabelEnc (ECCV 2020, sec. 3.4 and Eq. 10)."""

from collections.abc import Sequence

from mmengine.model import BaseModule
from torch import Tensor, nn


class FeatureAdaptationBlock(BaseModule):
    """Three 3x3 convolutions with ReLU between them that carry image features towards label features.

    One block serves all levels of a pyramid. No normalisation, no final activation and PyTorch's own
    initialisation, as in the released code.

    Args:
        channels: Channels of the features, in and out (sec. 3.4), filled in with the width of the neck.
    """

    def __init__(self, channels: int = 256) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(3):  # sec. 3.4
            layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Adapt each level: a sequence of (N, channels, h, w) -> tensors of the same shapes."""
        return tuple(self.layers(feature) for feature in features)
