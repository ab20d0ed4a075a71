"""Depth from hypercolumns, in mmseg's estimator."""

import pytest
import torch
from hypercolumn_models import VGG
from mmengine.config import ConfigDict
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.models.losses import SiLogLoss
from mmseg.registry import METRICS, MODELS
from mmseg.structures import SegDataSample

SIZE = (64, 96)


def estimator(**options):
    init_default_scope('mmseg')
    torch.manual_seed(0)
    head = dict(
        type='HypercolumnDepthHead',
        in_channels=[2, 8, 16],
        strides=[1, 4, 16],
        loss_decode=dict(type='HypercolumnSiLogLoss'),
    )
    config = ConfigDict(
        type='DepthEstimator',
        backbone=VGG,
        decode_head=head | options,
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    )
    model = MODELS.build(config)
    model.init_weights()
    return model


def batch(unknown=0.3):
    samples = []
    for _ in range(2):
        depth = torch.rand(1, *SIZE) * 9 + 0.5
        depth[torch.rand(depth.shape) < unknown] = 0
        sample = SegDataSample(metainfo=dict(img_shape=SIZE, ori_shape=SIZE))
        sample.set_data(dict(gt_depth_map=PixelData(data=depth)))
        samples.append(sample)
    return torch.randn(2, 3, *SIZE), samples


def test_dense_loss_is_that_of_mmseg_on_the_predicted_depth():
    model = estimator(max_depth=8.0)
    images, samples = batch()
    (value,) = model.loss(images, samples).values()
    with torch.no_grad():
        predicted = torch.stack([s.pred_depth_map.data for s in model.predict(images, samples)])
    assert predicted.min() > 0 and predicted.max() < 8
    true = torch.stack([sample.gt_depth_map.data for sample in samples])
    torch.testing.assert_close(value, SiLogLoss()(predicted, true))


@pytest.mark.parametrize('unknown', [0.3, 0.9999, 1.0])
def test_points_without_depth_do_not_count(unknown):
    sampler = dict(type='UniformPointSampler', num_points=40)
    model = estimator(sampler=sampler, mlp_channels=(8, 8))
    (value,) = model.loss(*batch(unknown)).values()
    value.backward()
    assert value.isfinite() and (value > 0) == (unknown < 1)
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_predictions_are_what_the_metric_of_mmseg_reads():
    images, samples = batch()
    found = estimator().eval().predict(images, samples)
    metric = METRICS.build(dict(type='DepthMetric'))
    metric.process({}, [sample.to_dict() for sample in found])
    assert 0 < metric.evaluate(2)['rmse'] < 10


def test_several_outputs_are_refused():
    with pytest.raises(ValueError, match='3 outputs'):
        estimator(num_classes=3, out_channels=3)
