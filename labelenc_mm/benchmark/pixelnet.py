"""PixelNet's Table 4: a training pass of whole networks, FCNs and hypercolumns in dense and sparse forms.

All networks are VGG-16 with a classifier. A pass computes the loss of one batch and all gradients. Forms of
one classifier share its weights:

- *sparse*: as ``HypercolumnHead`` trains, at points;
- *dense*: every tap upsampled to all pixels, concatenated, and classified there;
- *picked*: the same hypercolumns, of which points are classified.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import Tensor, nn

import labelenc_mm.segmentation  # noqa: F401  (registers the networks)
from labelenc_mm.networks.point_drawing import draw_uniform
from labelenc_mm.networks.point_sampling import sample_points, upsample_by_stride

TAPS = ('conv1_2', 'conv3_3', 'conv5_3')
"""Of the rows of Table 4."""
Form = Callable[['PixelNetworks', nn.Module, Tensor], Tensor]


@dataclass
class PixelNetworks:
    """What the rows are built of.

    Attributes:
        size: (H, W) of an image in pixels.
        batch_size: Images.
        num_points: Points an image.
        width: Channels of hidden layers.
        num_classes: Outputs.
        device: 'cpu' or 'cuda'.
        backbone: Options of ``TappedVGG``.
    """

    size: tuple[int, int]
    batch_size: int
    num_points: int
    width: int
    num_classes: int
    device: str
    backbone: dict[str, Any]

    def __post_init__(self) -> None:
        shape = (self.batch_size, *self.size)
        self.images = torch.randn(self.batch_size, 3, *self.size, device=self.device)
        self.labels = torch.randint(self.num_classes, shape, device=self.device)
        everywhere = torch.ones(shape, dtype=torch.bool, device=self.device)
        self.drawn = draw_uniform(everywhere, self.num_points)
        self.points = self.drawn.coordinates(self.size[1])

    def build(self, taps: Sequence[str], layers: int) -> nn.Module:
        """A network with a classifier of so many layers on hypercolumns; 0 for FCN's skip layers."""
        init_default_scope('mmseg')
        head: dict[str, Any] = dict(type='FCNSkipHead')
        if layers:
            # Dropout of hidden layers as published: it needs memory.
            head = dict(type='HypercolumnHead', mlp_channels=(self.width,) * (layers - 1))
        loss = dict(type='CrossEntropyLoss', avg_non_ignore=True)
        config = dict(
            type='HypercolumnEncoderDecoder',
            backbone=dict(type='TappedVGG', taps=taps, **self.backbone),
            decode_head=dict(head, num_classes=self.num_classes, loss_decode=loss),
            train_cfg=dict(),
            test_cfg=dict(mode='whole'),
        )
        return MODELS.build(config).to(self.device)

    def labels_at_points(self) -> Tensor:
        """(N, P, 1)."""
        return self.labels.flatten(1).gather(1, self.drawn.cells).unsqueeze(-1)


@dataclass
class TrainingPass:
    """Loss and gradients of one batch, as a step to measure."""

    networks: PixelNetworks
    network: nn.Module
    form: Form

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.networks.images.device

    def fresh_batch(self) -> None:
        """No gradients are left from before."""
        self.network.zero_grad(set_to_none=True)

    def __call__(self, batch: None) -> None:
        """Compute loss and gradients."""
        scores = self.form(self.networks, self.network, self.networks.images)
        at_points = scores.shape[-1] == 1
        labels = self.networks.labels_at_points() if at_points else self.networks.labels
        F.cross_entropy(scores, labels).backward()
        self.network.zero_grad(set_to_none=True)

    def persistent_bytes(self) -> int:
        """Size of the weights."""
        return sum(parameter.nbytes for parameter in self.network.parameters())


def table_4(networks: PixelNetworks) -> dict[str, TrainingPass]:
    """The rows of Table 4 by name, the sparse network of three layers first, with ways to sample."""
    rows: dict[str, TrainingPass] = {}
    by_layers = {layers: networks.build(TAPS, layers) for layers in (3, 2, 1)}
    for layers, network in by_layers.items():
        rows[f'sparse, fc-{layers}'] = TrainingPass(networks, network, sparse)
    with_conv7 = networks.build((*TAPS, 'fc7'), 3)
    rows['sparse, fc-3, conv-7'] = TrainingPass(networks, with_conv7, sparse)
    rows['sparse, fc-3, every tap sampled first'] = TrainingPass(
        networks, by_layers[3], sampled_first
    )
    rows['sparse, fc-3, by grid_sample'] = TrainingPass(networks, by_layers[3], by_grid_sample)
    for layers, network in by_layers.items():
        rows[f'picked, fc-{layers}'] = TrainingPass(networks, network, picked)
    for layers, network in by_layers.items():
        rows[f'dense, fc-{layers}'] = TrainingPass(networks, network, dense)
    rows['picked, fc-3, conv-7'] = TrainingPass(networks, with_conv7, picked)
    rows['dense, fc-3, conv-7'] = TrainingPass(networks, with_conv7, dense)
    rows['FCN-32s'] = TrainingPass(networks, networks.build(('fc7',), 0), everywhere)
    skips = networks.build(('pool3', 'pool4', 'fc7'), 0)
    rows['FCN-8s'] = TrainingPass(networks, skips, everywhere)
    return rows


def sparse(networks: PixelNetworks, network: Any, images: Tensor) -> Tensor:
    """As the head trains: taps with fewer cells than points are projected first."""
    maps = network.extract_feat(images)
    return network.decode_head.forward_points(maps, networks.points, networks.size)


def sampled_first(networks: PixelNetworks, network: Any, images: Tensor) -> Tensor:
    """Every tap is read at the points, then projected."""
    head, maps = network.decode_head, network.extract_feat(images)
    values = [
        sample_points(feature, networks.points, stride)
        for feature, stride in zip(maps, head.projection.strides, strict=True)
    ]
    return classify(head, torch.cat(values, dim=1).unsqueeze(-1))


def by_grid_sample(networks: PixelNetworks, network: Any, images: Tensor) -> Tensor:
    """The same by PyTorch's own sampling, for images of a size that all strides divide."""
    size = networks.points.new_tensor(networks.size[::-1])
    grid = ((2 * networks.points + 1) / size - 1).unsqueeze(2)
    values = [
        F.grid_sample(feature, grid, padding_mode='border', align_corners=False)
        for feature in network.extract_feat(images)
    ]
    return classify(network.decode_head, torch.cat(values, dim=1))


def dense(networks: PixelNetworks, network: Any, images: Tensor) -> Tensor:
    """Hypercolumns of all pixels, all classified."""
    return classify(network.decode_head, hypercolumns(networks, network, images))


def picked(networks: PixelNetworks, network: Any, images: Tensor) -> Tensor:
    """Hypercolumns of all pixels, of which points are classified."""
    columns = hypercolumns(networks, network, images).flatten(2)
    cells = networks.drawn.cells.unsqueeze(1).expand(-1, columns.shape[1], -1)
    return classify(network.decode_head, columns.gather(2, cells).unsqueeze(-1))


def everywhere(networks: PixelNetworks, network: Any, images: Tensor) -> Tensor:
    """The head's own scores of all pixels."""
    return network.decode_head(network.extract_feat(images), networks.size)


def hypercolumns(networks: PixelNetworks, network: Any, images: Tensor) -> Tensor:
    """(N, C, H, W): every tap upsampled, concatenated."""
    strides = network.decode_head.projection.strides
    maps = [
        upsample_by_stride(feature, stride, networks.size)
        for feature, stride in zip(network.extract_feat(images), strides, strict=True)
    ]
    return torch.cat(maps, dim=1)


def classify(head: Any, columns: Tensor) -> Tensor:
    """The layers of a HypercolumnHead on (N, C, H, W) hypercolumns, the first as one product."""
    weight = torch.cat([layer.weight for layer in head.projection.projections], dim=1)
    projected = F.conv2d(columns, weight, head.projection.bias)
    return projected if head.is_linear else head.conv_seg(head.hidden(projected))


@torch.no_grad()
def largest_difference(rows: dict[str, TrainingPass]) -> float:
    """Between the forms' scores of one classifier at the points, as a share of its largest score."""
    largest = 0.0
    for name, row in rows.items():
        networks = row.networks
        if name.startswith('FCN'):  # another classifier
            continue
        row.network.eval()
        ours = sparse(networks, row.network, networks.images)
        scores = row.form(networks, row.network, networks.images)
        if scores.shape[-1] != 1:
            cells = networks.drawn.cells.unsqueeze(1).expand(-1, scores.shape[1], -1)
            scores = scores.flatten(2).gather(2, cells).unsqueeze(-1)
        row.network.train()
        largest = max(largest, float((scores - ours).abs().max() / ours.abs().max()))
    return largest
