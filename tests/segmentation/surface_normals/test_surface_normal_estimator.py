"""Surface normals from a segmentor: unit vectors in the frame of the photo, loss, several sizes."""

import copy

import pytest
import torch
import torch.nn.functional as F
from hypercolumn_models import VGG, segmentor_config
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

SIZE = (64, 96)
HEAD = dict(
    num_classes=3,
    targets=dict(type='VectorMapTargets', field='gt_normals'),
    loss_decode=dict(type='SurfaceNormalLoss'),
    mlp_channels=(12, 7),
    mlp_dropout=0.0,
)
POINTS = dict(type='UniformPointSampler', num_points=50)


def estimator(test_cfg=None, backbone=VGG, **options):
    init_default_scope('mmseg')
    torch.manual_seed(0)
    config = segmentor_config(backbone, test_cfg=test_cfg, **HEAD | options)
    config.type = 'SurfaceNormalEstimator'
    config.data_preprocessor = dict(type='NormalDataPreProcessor', size_divisor=32)
    model = MODELS.build(config)
    model.init_weights()
    return model


def normals(size, unknown=0.2):
    vectors = F.normalize(torch.randn(3, *size), dim=0)
    return vectors * (torch.rand(1, *size) > unknown)


def sample(size=SIZE, **meta):
    meta = dict(img_shape=size, ori_shape=size, img_path='photo.jpg') | meta
    found = SegDataSample(metainfo=meta)
    found.gt_normals = PixelData(data=normals(meta['ori_shape']))
    return found


def raw(*sizes):
    """As a data loader gives it."""
    return dict(
        inputs=[torch.randint(0, 256, (3, *size), dtype=torch.uint8) for size in sizes],
        data_samples=[sample(size) for size in sizes],
    )


def test_predictions_are_unit_vectors_of_the_photos_size():
    model = estimator().eval()
    data = dict(
        inputs=torch.randn(2, 3, *SIZE), data_samples=[sample(), sample(ori_shape=(50, 70))]
    )
    with torch.no_grad():
        found = model(mode='predict', **data)
        scores = model(mode='tensor', **data)
    assert [tuple(each.pred_normals.data.shape) for each in found] == [(3, *SIZE), (3, 50, 70)]
    for each in found:
        torch.testing.assert_close(each.pred_normals.data.norm(dim=0), torch.ones(each.ori_shape))
        assert 'pred_sem_seg' not in each
    torch.testing.assert_close(found[0].pred_normals.data, F.normalize(scores, dim=1)[0])
    (alone,) = model(data['inputs'][:1], None, mode='predict')
    torch.testing.assert_close(alone.pred_normals.data, found[0].pred_normals.data)


@pytest.mark.parametrize(
    ('direction', 'axes', 'component'), [('horizontal', [2], 0), ('vertical', [1], 1)]
)
def test_flip_of_the_input_is_undone_with_its_sign(direction, axes, component):
    vectors = F.normalize(torch.randn(1, 3, *SIZE), dim=1)
    mirrored = vectors.flip([axis + 1 for axis in axes])
    mirrored[:, component] *= -1
    model = estimator()
    given = [sample(flip=True, flip_direction=direction)]
    (found,) = model.postprocess_result(mirrored, given)
    torch.testing.assert_close(found.pred_normals.data, vectors[0])


def test_padding_is_cut_off_before_resizing():
    vectors = F.normalize(torch.randn(1, 3, 64, 64), dim=1)
    given = [sample((40, 50), img_padding_size=(0, 14, 0, 24), ori_shape=(40, 50))]
    (found,) = estimator().postprocess_result(vectors, given)
    torch.testing.assert_close(found.pred_normals.data, vectors[0, :, :40, :50])


def test_sliding_over_one_window_is_whole_inference_and_over_several_stays_of_unit_length():
    image = torch.randn(1, 3, *SIZE)
    whole = estimator().eval()
    found = {}
    for crop in (SIZE, (64, 64)):
        slide = estimator(dict(mode='slide', crop_size=crop, stride=(32, 32))).eval()
        slide.load_state_dict(whole.state_dict())
        (found[crop],) = slide(image, [sample()], mode='predict')
    (expected,) = whole(image, [sample()], mode='predict')
    torch.testing.assert_close(found[SIZE].pred_normals.data, expected.pred_normals.data)
    lengths = found[64, 64].pred_normals.data.norm(dim=0)
    torch.testing.assert_close(lengths, torch.ones(SIZE))


def test_test_time_augmentation_is_the_mean_direction_over_flips():
    model = estimator()
    tta = MODELS.build(dict(type='SurfaceNormalTTAModel', module=model))
    plain, mirrored = F.normalize(torch.randn(2, 3, *SIZE), dim=1)
    pair = [sample(flip=False), sample(flip=True, flip_direction='horizontal')]
    found = [
        model.postprocess_result(vectors[None], [each])[0]
        for vectors, each in zip((plain, mirrored), pair, strict=True)
    ]
    (merged,) = tta.merge_preds([found])
    turned = mirrored.flip(2) * torch.tensor([-1.0, 1, 1]).view(3, 1, 1)
    torch.testing.assert_close(merged.pred_normals.data, F.normalize(plain + turned, dim=0))
    assert merged is pair[0]


def test_other_numbers_of_outputs_are_refused():
    with pytest.raises(ValueError, match='4 outputs.*num_classes=3'):
        estimator(num_classes=4)


def loss(model, data):
    torch.manual_seed(1)
    data = model.data_preprocessor(copy.deepcopy(data), training=True)
    return model(mode='loss', **data)['decode.loss_normal']


def test_loss_is_half_the_mean_squared_distance_of_valid_pixels():
    model = estimator()
    data = raw(SIZE)
    batch = model.data_preprocessor(copy.deepcopy(data), training=True)
    scores = model(mode='tensor', inputs=batch['inputs'])[0]
    true = data['data_samples'][0].gt_normals.data
    known = true.any(dim=0)
    predicted = scores[:, known] / scores[:, known].norm(dim=0)
    expected = (predicted - true[:, known]).square().sum() / (2 * known.sum())
    torch.testing.assert_close(loss(model, data), expected)


def test_loss_is_finite_with_its_gradients_for_vectors_of_zero():
    criterion = MODELS.build(dict(type='SurfaceNormalLoss'))
    scores = torch.zeros(1, 3, 2, 2, requires_grad=True)
    value = criterion(scores, normals((2, 2), 0)[None])
    value.backward()
    assert value.item() == pytest.approx(0.5) and scores.grad.isfinite().all()


@pytest.mark.parametrize('sampler', [None, POINTS], ids=['dense', 'points'])
def test_photos_of_different_sizes_below_the_largest_stride_train_together(sampler):
    """Padding has no normal: the pixels of the smaller photo weigh as much as without the larger one."""
    backbone = dict(VGG, taps=('conv1_2', 'fc7'), fc_channels=4)
    model = estimator(sampler=sampler, backbone=backbone)
    data = raw((20, 11), (40, 33))
    assert loss(model, data).isfinite()
    batch = model.data_preprocessor(data, training=True)
    padded = batch['data_samples'][0].gt_normals.data
    assert padded.shape == (3, 64, 64) and not padded[:, 20:].any() and not padded[..., 11:].any()
    assert batch['data_samples'][0].pad_shape == (64, 64)


@pytest.mark.parametrize('known', [0, 3], ids=['none', 'fewer than points'])
def test_few_and_no_valid_pixels_give_a_finite_loss_and_every_gradient(known):
    model = estimator(sampler=POINTS)
    data = raw(SIZE)
    target = data['data_samples'][0].gt_normals.data
    target.zero_()
    target[2, 5, :known] = 1
    value = loss(model, data)
    value.backward()
    assert value.isfinite() and (known or value == 0)
    gradients = [parameter.grad for parameter in model.parameters()]
    assert all(each is not None and each.isfinite().all() for each in gradients)


def test_bias_of_the_initialisation_holds_for_the_projection_too():
    head = estimator(init_cfg=dict(type='Normal', layer='Conv2d', std=5e-4, bias=0.1)).decode_head
    biases = [p for name, p in head.named_parameters() if name.endswith('bias')]
    assert len(biases) == 3 and all((bias == 0.1).all() for bias in biases)
    assert (
        3e-4
        < torch.cat([w.flatten() for w in head.projection.parameters() if w.dim() == 4]).std()
        < 7e-4
    )
