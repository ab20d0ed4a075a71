"""One set of parameters, three forms: sparse training, dense training and chunked testing say the same.

Over the three tasks of PixelNet and four kinds of backbones.
"""

import pytest
import torch
import torch.nn.functional as F
from hypercolumn_models import K, batch, segmentor
from mmengine.structures import PixelData

from labelenc_mm.networks.point_sampling import pixel_grid
from labelenc_mm.segmentation import UniformPointSampler

SIZE = (70, 85)  # no multiples of any stride
CLOSE = dict(rtol=1e-6, atol=1e-8)  # in float64
BACKBONES = {
    'VGG-16': dict(
        type='TappedVGG', base_channels=4, fc_channels=16, fc_dropout=0,
        taps=('conv1_2', 'conv2_2', 'conv3_3', 'conv4_3', 'conv5_3', 'fc7'),
    ),
    'ResNet-50': dict(
        type='TappedBackbone', taps=('relu', 'layer1', 'layer2', 'layer3', 'layer4'),
        backbone=dict(type='ResNet', depth=50, base_channels=4, norm_eval=True),
    ),
    'DenseNet-121': dict(
        type='TappedDenseNet',
        arch=dict(depths=(6, 12, 24, 16), growth_rate=4, stem_channels=8, transitions=(2, 2, 2)),
    ),
    'MiT': dict(
        type='TappedBackbone', taps=('output0', 'output1', 'output2', 'output3'),
        backbone=dict(type='MixVisionTransformer', embed_dims=8, num_layers=(1, 1, 1, 1),
                      num_heads=(1, 1, 1, 1), drop_path_rate=0.0),
    ),
}  # fmt: skip


class SquaredDistance(torch.nn.Module):
    """The mean over pixels with a vector."""

    loss_name = 'loss_normal'

    def forward(self, scores, values, weight=None, **kwargs):
        return ((scores - values).square().sum(1) * weight).sum() / weight.sum()


TASKS = {
    'labels': {},
    'edges': dict(
        num_classes=2, out_channels=1, threshold=0.5,
        targets=dict(type='LabelMapTargets', field='gt_edge_map'),
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True, avg_non_ignore=True),
    ),
    'normals': dict(num_classes=3, targets=dict(type='VectorMapTargets', field='gt_normals')),
}  # fmt: skip


def build(backbone, task):
    options = dict(mlp_channels=(12, 9), mlp_dropout=0.0, test_chunk=1000, **TASKS[task])
    options['init_cfg'] = dict(type='Kaiming', layer='Conv2d')  # scores of the order of 1
    model = segmentor(BACKBONES[backbone], **options)
    if task == 'normals':
        model.decode_head.loss_decode = SquaredDistance()
    return model.double().eval()  # the statistics of a batch are no parameters


def labelled_batch(task):
    images, samples = batch(SIZE)
    for sample in samples:
        labels = sample.gt_sem_seg.data
        if task == 'edges':
            sample.gt_edge_map = PixelData(data=torch.where(labels == 255, 255, labels % 2))
        elif task == 'normals':
            normals = F.normalize(torch.randn(3, *SIZE), dim=0)
            sample.gt_normals = PixelData(data=normals * (labels != 255))
    return images.double(), samples


def training_scores(model, images, samples):
    """What goes into the loss, and the loss."""
    seen = []
    hook = model.decode_head.loss_decode.register_forward_hook(
        lambda _, inputs, loss: seen.append((inputs[0].detach(), loss))
    )
    model.decode_head.training = True  # of the head's own form; its layers stay in evaluation mode
    model.loss(images, samples)
    model.decode_head.training = False
    hook.remove()
    return seen[0]


@pytest.mark.parametrize('task', TASKS)
@pytest.mark.parametrize('backbone', BACKBONES)
def test_sparse_and_dense_training_and_chunked_testing_agree(backbone, task):
    model = build(backbone, task)
    images, samples = labelled_batch(task)
    height, width = SIZE

    dense, dense_loss = training_scores(model, images, samples)
    assert dense.shape == (2, {'labels': K, 'edges': 1, 'normals': 3}[task], *SIZE)

    sampler = UniformPointSampler(height * width)
    drawn = []
    draw = sampler.draw
    sampler.draw = lambda *args: drawn.append(draw(*args)) or drawn[-1]
    model.decode_head.point_sampler = sampler
    sparse, sparse_loss = training_scores(model, images, samples)
    torch.testing.assert_close(sparse_loss, dense_loss, **CLOSE)
    (points,) = drawn
    cells = points.cells.unsqueeze(1).expand(-1, dense.shape[1], -1)
    at_points = dense.flatten(2).gather(2, cells)
    torch.testing.assert_close(sparse[..., 0], at_points, **CLOSE)

    with torch.no_grad():
        tested = model.encode_decode(images, [sample.metainfo for sample in samples])
    torch.testing.assert_close(tested, dense, **CLOSE)

    with torch.no_grad():  # a few points, where taps are projected behind the sampling
        grid = pixel_grid(SIZE)[:, ::997].expand(2, -1, -1)
        few = model.decode_head.forward_points(model.extract_feat(images), grid, SIZE)
    torch.testing.assert_close(few[..., 0], dense.flatten(2)[..., ::997], **CLOSE)


@pytest.mark.parametrize('task', TASKS)
def test_sparse_and_dense_gradients_agree(task):
    model = build('VGG-16', task)
    images, samples = labelled_batch(task)
    gradients = []
    for sampler in (None, UniformPointSampler(SIZE[0] * SIZE[1])):
        model.decode_head.point_sampler = sampler
        _, loss = training_scores(model, images, samples)
        gradients.append(torch.autograd.grad(loss, list(model.parameters())))
    for sparse, dense in zip(*gradients):
        torch.testing.assert_close(sparse, dense, **CLOSE)
