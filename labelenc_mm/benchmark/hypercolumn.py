"""A linear classifier on hypercolumns in two forms: projected taps, and concatenated ones.

Both get the same feature maps of one backbone. What is measured is the classifier alone, beyond the feature
maps: a forward pass without gradients ("test"), or a forward and a backward pass up to the feature maps
("train").
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from labelenc_mm.benchmark.costs import Call
from labelenc_mm.networks import HypercolumnProjection, TappedDenseNet, TappedVGG

BACKBONES: dict[str, Callable[[], Any]] = {
    'vgg16': TappedVGG,
    'densenet67': lambda: TappedDenseNet(67),
    'densenet121': lambda: TappedDenseNet(121),
}
MODES = ('test', 'train')
Form = Callable[[list[Tensor], tuple[int, int]], Tensor]


def build_forms(
    backbone: str, batch_size: int, size: tuple[int, int], num_classes: int, device: str
) -> tuple[dict[str, Form], list[Tensor]]:
    """The two forms of one classifier by name, ours first, and feature maps for them.

    Args:
        backbone: One of ``BACKBONES``.
        batch_size: Images.
        size: (H, W) of an image in pixels.
        num_classes: Outputs of the classifier.
        device: 'cpu' or 'cuda'.
    """
    with torch.device('meta'):  # the shapes alone
        network = BACKBONES[backbone]()
        shapes = [level.shape for level in network(torch.empty(batch_size, 3, *size))]
    projection = HypercolumnProjection(network.tap_channels, network.tap_strides, num_classes)
    features = [torch.randn(shape, device=device, requires_grad=True) for shape in shapes]
    forms = {'projected': projection.to(device), 'concatenated': concatenated(projection)}
    return forms, features


def concatenated(projection: HypercolumnProjection) -> Form:
    """The plain form: upsample every tap, concatenate, classify."""

    layers: Any = projection.projections

    def form(features: list[Tensor], size: tuple[int, int]) -> Tensor:
        column = torch.cat(
            [F.interpolate(f, size, mode='bilinear', align_corners=False) for f in features], dim=1
        )
        weight = torch.cat([layer.weight for layer in layers], dim=1)
        return F.conv2d(column, weight, projection.bias)

    return form


@torch.no_grad()
def largest_difference(
    forms: dict[str, Form], features: list[Tensor], size: tuple[int, int]
) -> float:
    """Between the scores of the two forms, as a share of the largest score."""
    ours, plain = (form(features, size) for form in forms.values())
    return float((ours - plain).abs().max() / plain.abs().max())


def pass_of(form: Form, features: Sequence[Tensor], size: tuple[int, int], mode: str) -> Call:
    """One pass of a form, to be measured; "train" leaves gradients in the features."""

    def without_gradients() -> list[Tensor]:
        for feature in features:
            feature.grad = None
        return list(features)

    def run(features: list[Tensor]) -> None:
        with torch.set_grad_enabled(mode == 'train'):
            output = form(features, size)
        if mode == 'train':
            output.backward(output.detach())

    return Call(run, without_gradients, features[0].device)
