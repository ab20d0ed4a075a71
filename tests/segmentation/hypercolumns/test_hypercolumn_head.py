"""Hypercolumn heads inside mmseg's EncoderDecoder: losses, sparse and dense forms, targets, sizes."""

import pytest
import torch
import torch.nn.functional as F
from hypercolumn_models import DENSENET, MLP, MMDET, NORM, RESNET, VGG, K, batch, segmentor
from mmengine.structures import PixelData
from mmseg.registry import MODELS

from labelenc_mm.networks.point_drawing import DrawnPoints
from labelenc_mm.segmentation import UniformPointSampler

UNIFORM = dict(type='UniformPointSampler', num_points=20)
BALANCED = dict(type='BalancedPointSampler', num_points=20)


@pytest.mark.parametrize('backbone', [VGG, DENSENET, RESNET, MMDET])
@pytest.mark.parametrize(
    'options',
    [
        {},
        dict(tap_norm_cfg=NORM, num_points=50),
        dict(MLP, num_points=50, hypercolumn_dropout=0.5),
        dict(MLP, test_stride=4, test_chunk=30),
        dict(type='FCNSkipHead', tap_norm_cfg=NORM),
    ],
)
def test_trains_and_predicts_for_sizes_that_are_no_multiples(backbone, options):
    model = segmentor(backbone, **options)
    images, samples = batch((43, 38))
    losses = model.loss(images, samples)
    assert sorted(losses) == ['decode.acc_seg', 'decode.loss_ce']
    losses['decode.loss_ce'].backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert without == []  # so that DDP needs no search for unused parameters
    results = model.eval().predict(images, samples)
    assert results[0].seg_logits.data.shape == (K, 43, 38)
    assert torch.equal(results[0].pred_sem_seg.data[0], results[0].seg_logits.data.argmax(0))


@pytest.mark.parametrize('options', [{}, MLP])
def test_all_labelled_points_give_the_dense_loss_and_gradients(options):
    """Points at every labelled pixel, in whatever order, are the dense training."""
    model = segmentor(**options, mlp_dropout=0.0)
    images, samples = batch((32, 48))
    results = []
    for sampler in (None, UniformPointSampler(32 * 48)):
        model.decode_head.point_sampler = sampler
        losses = model.loss(images, samples)
        gradients = torch.autograd.grad(losses['decode.loss_ce'], list(model.parameters()))
        results.append((*losses.values(), *gradients))
    for found, expected in zip(*results):
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_sparse_loss_is_the_cross_entropy_at_the_drawn_points():
    model = segmentor(num_points=20)
    images, samples = batch((32, 48))
    cells = torch.randint(0, 32 * 48, (2, 20))
    is_drawn = torch.rand(2, 20) < 0.8
    model.decode_head.point_sampler.draw = lambda *_: DrawnPoints(cells, is_drawn)
    found = model.loss(images, samples)['decode.loss_ce']
    logits = model.eval().encode_decode(images, [s.metainfo for s in samples])
    image, x, y = torch.arange(2).view(2, 1), cells % 48, cells // 48
    labels = torch.stack([s.gt_sem_seg.data[0] for s in samples])[image, y, x]
    is_counted = is_drawn & (labels != 255)
    expected = F.cross_entropy(logits[image, :, y, x][is_counted], labels[is_counted])
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize('border', [0, 4])
def test_num_points_is_short_for_a_uniform_sampler(border):
    images, samples = batch((32, 48))
    losses = []
    for options in (
        dict(num_points=30, point_border=border),
        dict(sampler=dict(UNIFORM, num_points=30, border=border)),
    ):
        torch.manual_seed(0)
        losses.append(segmentor(**MLP, **options).loss(images, samples))
    assert all(torch.equal(losses[0][key], losses[1][key]) for key in losses[0])


def test_what_the_preprocessor_padded_is_told_to_the_sampler():
    model = segmentor(num_points=20)
    images, samples = batch((32, 48))
    samples[0].set_metainfo(dict(img_shape=(30, 40), padding_size=(0, 8, 0, 2)))
    samples[1].set_metainfo(dict(img_shape=(7, 7)))  # of an image that a pipeline has not loaded
    told = []
    draw = model.decode_head.point_sampler.draw
    model.decode_head.point_sampler.draw = lambda *args: told.append(args[2]) or draw(*args)
    model.loss(images, samples)
    assert told == [[(30, 40), (32, 48)]]


def test_edges_are_learned_at_balanced_points():
    """PixelNet's second task: one logit a pixel, half of the points on the few edges."""
    model = segmentor(
        num_classes=2,
        out_channels=1,
        threshold=0.5,
        sampler=BALANCED,
        targets=dict(type='LabelMapTargets', field='gt_edge_map'),
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True, avg_non_ignore=True),
    )
    images, samples = batch((32, 48))
    for sample in samples:
        edges = torch.zeros(1, 32, 48, dtype=torch.int64)
        edges[:, 7] = 1
        edges[:, 9] = 255
        sample.gt_edge_map = PixelData(data=edges)
        del sample.gt_sem_seg
    seen = []
    model.decode_head.loss_decode.register_forward_hook(lambda _, inputs, __: seen.append(inputs))
    loss = model.loss(images, samples)['decode.loss_ce']
    (scores, labels), *_ = seen
    assert scores.shape == (2, 1, 20, 1) and labels.shape == (2, 20, 1)
    assert (labels == 1).sum(1).tolist() == (labels == 0).sum(1).tolist() == [[10], [10]]
    expected = F.binary_cross_entropy_with_logits(scores.flatten(), labels.flatten().float())
    torch.testing.assert_close(loss, expected)


@MODELS.register_module(force=True)
class SquaredDistance(torch.nn.Module):
    loss_name = 'loss_normal'

    def forward(self, scores, values, weight=None, **kwargs):
        return ((scores - values).square().sum(1) * weight).sum() / weight.sum()


@pytest.mark.parametrize('sampler', [None, UNIFORM])
def test_normals_are_learned_where_they_are_known(sampler):
    """PixelNet's third task: vectors instead of labels, with a loss of one's own."""
    model = segmentor(
        num_classes=3,
        sampler=sampler and dict(sampler, num_points=32 * 48),
        targets=dict(type='VectorMapTargets', field='gt_normals'),
        loss_decode=dict(type='SquaredDistance'),
    )
    images, samples = batch((32, 48))
    for sample in samples:
        normals = F.normalize(torch.randn(3, 32, 48), dim=0)
        normals[:, :9] = 0
        sample.gt_normals = PixelData(data=normals)
    losses = model.loss(images, samples)
    assert list(losses) == ['decode.loss_normal']
    scores = model.encode_decode(images, [s.metainfo for s in samples])
    wanted = torch.stack([sample.gt_normals.data for sample in samples])
    expected = (scores - wanted)[:, :, 9:].square().sum(1).mean()
    torch.testing.assert_close(losses['decode.loss_normal'], expected)


@pytest.mark.parametrize('options', [{}, dict(num_points=40), dict(MLP, num_points=40)])
def test_images_without_any_label_give_zero_loss_and_zero_gradients(options):
    model = segmentor(**options)
    images, samples = batch((32, 32), void=1.1)
    losses = model.loss(images, samples)
    assert losses['decode.loss_ce'] == 0
    losses['decode.loss_ce'].backward()
    assert all((p.grad == 0).all() for p in model.parameters())


@pytest.mark.parametrize('test_stride', [1, 4])
def test_chunks_do_not_change_predictions(test_stride):
    model = segmentor(**MLP, tap_norm_cfg=NORM, test_stride=test_stride).eval()
    images, samples = batch((43, 38))
    outputs = []
    for chunk in (None, 100, 7):
        model.decode_head.test_chunk = chunk
        outputs.append(model.encode_decode(images, [s.metainfo for s in samples]))
    for output in outputs[1:]:
        torch.testing.assert_close(output, outputs[0], rtol=1e-5, atol=1e-6)


def test_chunked_prediction_is_that_of_the_training_form():
    model = segmentor(**MLP, mlp_dropout=0.0)
    images, _ = batch((43, 38))
    with torch.no_grad():
        features = model.extract_feat(images)
        dense = model.decode_head.train()(features, (43, 38))
        torch.testing.assert_close(
            model.decode_head.eval()(features, (43, 38)), dense, rtol=1e-5, atol=1e-6
        )


def test_test_stride_evaluates_the_centres_of_squares():
    model = segmentor(**MLP).eval()
    features = model.extract_feat(batch((32, 32))[0])
    head = model.decode_head
    centres = torch.tensor([[3.5, 3.5], [11.5, 3.5]]).expand(2, -1, -1)
    expected = head.forward_points(features, centres, (32, 32))[..., 0]
    head.test_stride = 8
    coarse = head(features, (32, 32))
    # Pixels 3 and 4 lie half a pixel to either side of a centre.
    found = torch.stack([coarse[:, :, 3:5, x : x + 2].mean((2, 3)) for x in (3, 11)], dim=-1)
    torch.testing.assert_close(found[..., 1], expected[..., 1], rtol=1e-2, atol=1e-3)
    assert torch.equal(coarse[:, :, 0, 0], coarse[:, :, 3, 3])  # constant beyond the outer centres
    torch.testing.assert_close(coarse[:, :, 3, 3], expected[..., 0])


def test_linear_head_has_no_second_classifier_and_an_mlp_ends_in_mmsegs():
    assert not any('conv_seg' in key for key in segmentor().state_dict())
    head = segmentor(**MLP).decode_head
    assert head.conv_seg.weight.shape == (K, 7, 1, 1)
    assert head.projection.projections[0].weight.shape == (12, 2, 1, 1)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(align_corners=True), 'align_corners must be False'),
        (dict(test_stride=4), 'test_stride=4 saves nothing'),
        (dict(num_points=0), 'num_points=0'),
        (dict(num_points=5, ignore_index=None), 'ignore_index=None'),
        (dict(num_points=5, sampler=UNIFORM), 'drop one, or set num_points in sampler'),
        (dict(point_border=4), 'point_border=4 .* num_points, which is None: give num_points'),
        (dict(point_border=4, sampler=UNIFORM), 'which is None: set border in sampler'),
        (
            dict(sampler=BALANCED, targets=dict(type='VectorMapTargets', field='gt_normals')),
            'BalancedPointSampler draws positive pixels, and VectorMapTargets knows none',
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        segmentor(**options)
