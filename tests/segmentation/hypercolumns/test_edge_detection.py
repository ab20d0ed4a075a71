"""Every step of an edge detector with one logit: loss, log, prediction, picture, augmented test, two ranks."""

import numpy as np
import pytest
import torch
from edge_files import write_edge_data
from hypercolumn_models import MLP, segmentor
from mmengine.structures import PixelData
from mmseg.registry import DATASETS, MODELS, VISUALIZERS
from mmseg.structures import SegDataSample

from labelenc_mm.datasets import BSDSEdgeDataset

EDGES = dict(
    num_classes=2,
    out_channels=1,
    threshold=0.5,
    targets=dict(type='LabelMapTargets', field='gt_edge_map'),
    sampler=dict(type='BalancedPointSampler', num_points=40, positive_share=0.25),
    loss_decode=dict(type='BalancedEdgeLoss'),
)


def batch(labels, size=(32, 48), count=2):
    samples = []
    for _ in range(count):
        edges = torch.full((1, *size), labels[0])
        edges[:, 9] = labels[1]
        sample = SegDataSample(metainfo=dict(img_shape=size, ori_shape=size, pad_shape=size))
        sample.gt_edge_map = PixelData(data=edges)
        samples.append(sample)
    return torch.randn(count, 3, *size), samples


@pytest.mark.parametrize('options', [MLP, {}, dict(MLP, sampler=None)])
@pytest.mark.parametrize('labels', [(0, 1), (0, 0), (255, 255), (1, 1), (255, 1)])
def test_every_kind_of_map_has_the_same_losses_and_gradients_of_all_parameters(options, labels):
    model = segmentor(**{**EDGES, **options})
    images, samples = batch(labels)
    losses = model.loss(images, samples)
    assert sorted(losses) == ['decode.acc_seg', 'decode.loss_edge']
    losses['decode.loss_edge'].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    if len(set(labels) - {255}) < 2:
        assert losses['decode.loss_edge'] == 0


@pytest.mark.parametrize('bias', [-9.0, 9.0])
def test_accuracy_of_one_logit_is_the_share_of_right_labels(bias):
    model = segmentor(**EDGES)
    model.decode_head.projection.bias.data.fill_(bias)
    losses = model.loss(*batch((0, 1)))
    expected = 25.0 if bias > 0 else 75.0  # a quarter of the points are edges
    torch.testing.assert_close(losses['decode.acc_seg'].item(), expected, atol=1e-3, rtol=0)


def test_prediction_is_a_probability_and_where_it_is_above_the_threshold():
    model = segmentor(**{**EDGES, **MLP}).eval()
    images, samples = batch((0, 1))
    logits = model.encode_decode(images, [sample.metainfo for sample in samples])
    for sample, logit in zip(model.predict(images, samples), logits):
        assert torch.equal(sample.seg_logits.data, logit.sigmoid())
        assert torch.equal(sample.pred_sem_seg.data == 1, logit.sigmoid() > 0.5)


def test_a_prediction_can_be_drawn(tmp_path):
    model = segmentor(**EDGES).eval()
    images, samples = batch((0, 1), count=1)
    (sample,) = model.predict(images, samples)
    sample.pred_sem_seg.data[:, :16], sample.pred_sem_seg.data[:, 16:] = 0, 1
    visualizer = VISUALIZERS.build(
        dict(type='SegLocalVisualizer', name='edges', alpha=1.0, save_dir=str(tmp_path), vis_backends=None)
    )
    visualizer.dataset_meta = BSDSEdgeDataset.METAINFO
    image = np.full((32, 48, 3), 90, np.uint8)
    visualizer.add_datasample('edges', image, sample, with_labels=False)
    drawn = visualizer.get_image()
    assert (drawn[:16] == 0).all() and (drawn[16:] == 255).all()


def built_data(root, size, steps):
    write_edge_data(root, size=size)
    config = dict(type='BSDSEdgeDataset', data_root=str(root), ann_file='test.txt')
    return DATASETS.build(dict(config, pipeline=steps))


PREPROCESSOR = dict(
    type='SegDataPreProcessor',
    mean=[127.0] * 3,
    std=[128.0] * 3,
    size_divisor=16,
    test_cfg=dict(size_divisor=16),
)
LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadEdgeMap', keep_annotators=True)]


@pytest.mark.parametrize('size', [(11, 7), (37, 50)])
def test_images_smaller_than_a_stride_train_and_predict(tmp_path, size):
    model = segmentor(**{**EDGES, **MLP})
    model.data_preprocessor = MODELS.build(PREPROCESSOR)
    data = built_data(tmp_path, size, [*LOAD, dict(type='PackEdgeInputs')])
    inputs = dict(inputs=[data[0]['inputs']], data_samples=[data[0]['data_samples']])
    losses = model(**model.data_preprocessor(inputs, training=True), mode='loss')
    assert losses['decode.loss_edge'].isfinite()
    inputs = dict(inputs=[data[1]['inputs']], data_samples=[data[1]['data_samples']])
    (result,) = model.eval().test_step(inputs)
    assert result.seg_logits.shape == result.gt_edge_annotators.shape == size


def test_augmented_test_is_the_mean_of_the_probabilities(tmp_path):
    """Which the metric reads; every form on its own is a plain test of the same model."""
    wide = dict(type='Normal', layer='Conv2d', std=1.0)
    model = segmentor(**{**EDGES, **MLP}, init_cfg=wide)
    model.data_preprocessor = MODELS.build(PREPROCESSOR)
    scales = [dict(type='ResizeWithEdges', scales=(scale,)) for scale in (0.5, 1.0)]
    flips = [dict(type='RandomFlip', prob=prob) for prob in (0.0, 1.0)]
    pack = dict(type='PackEdgeInputs')
    augment = dict(type='TestTimeAug', transforms=[scales, flips, [pack]])
    data = built_data(tmp_path, (37, 50), [*LOAD, augment])
    tta = MODELS.build(dict(type='EdgeTTAModel', module=model)).eval()
    item = data[0]
    (result,) = tta.test_step({key: [[each] for each in value] for key, value in item.items()})
    alone = []
    for scale in scales:
        for flip in flips:
            data = built_data(tmp_path, (37, 50), [*LOAD, scale, flip, pack])
            (each,) = model.test_step({key: [value] for key, value in data[0].items()})
            alone.append(each.seg_logits.data)
    assert not torch.allclose(alone[0], alone[3])
    torch.testing.assert_close(result.seg_logits.data, torch.stack(alone).mean(0))
    assert torch.equal(result.pred_sem_seg.data == 1, result.seg_logits.data > 0.5)
    assert result.gt_edge_annotators.shape == (37, 50)
    assert result.img_path.endswith('0.jpg')
