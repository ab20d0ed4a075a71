import copy
import math
import pickle

import pytest
import torch
import torch.nn.functional as F
from denoising_models import (
    KINDS,
    STRIDES,
    build_pretrainer,
    build_stock,
    photos,
    samples,
    stock_model_config,
)
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from segmentation_models import CASCADE, POINTREND
from torch import nn

from labelenc_mm.networks.named_features import FeatureError

SIZE = (64, 64)


def gray_to_normalised(model, pictures):
    """(N, 3, H, W) RGB gray levels as the network gets them."""
    preprocessor = model.data_preprocessor
    return (pictures - preprocessor.mean) / preprocessor.std


@pytest.mark.parametrize('kind', KINDS)
def test_all_keys_but_those_of_the_classifier_are_the_stock_ones(kind):
    model, stock = build_pretrainer(kind), build_stock(kind)
    ours = {k: v.shape for k, v in model.state_dict().items()}
    theirs = {
        k: v.shape for k, v in stock.state_dict().items() if not k.startswith('auxiliary_head.')
    }
    layer = 'decode_head.conv_seg.'
    assert {k: v for k, v in ours.items() if layer not in k} == {
        k: v for k, v in theirs.items() if layer not in k
    }
    assert set(ours) - set(theirs) == {f'{layer}conv.weight', f'{layer}conv.bias'}
    assert model.pixel_prediction.stride == STRIDES[kind]


@pytest.mark.parametrize('kind', KINDS)
def test_predictions_are_of_the_size_of_the_image(kind):
    model = build_pretrainer(kind)
    for size in [(64, 64), (60, 84), (61, 75)]:
        if kind == 'UNet' and any(side % 16 for side in size):
            continue  # of mmseg's, which asks for multiples of 16
        assert model(torch.randn(2, 3, *size)).shape == (2, 3, *size)


def overfit(model, steps, train=None):
    """MSE on one fixed noisy batch after a few steps on it."""
    model.train()
    images = photos(2, SIZE)
    corrupted = model.corruption(images)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(steps):
        prediction = (train or model.predict_target)(corrupted)
        loss = (prediction - corrupted.noise).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item(), corrupted.noise


def upsampling_floor(noise, stride):
    """Least-squares residual of noise on all bilinearly upsampled maps of a stride: nothing is below."""
    side = noise.shape[-1] // stride
    cells = torch.eye(side).view(side, 1, side, 1)
    matrix = F.interpolate(
        cells.transpose(2, 3), (1, noise.shape[-1]), mode='bilinear', align_corners=False
    ).view(side, -1)
    projection = matrix.T @ torch.linalg.pinv(matrix.T)  # of rows; the map is separable
    explained = projection @ noise @ projection.T
    return (noise - explained).square().mean().item()


@pytest.mark.parametrize('kind', KINDS)
def test_one_batch_is_overfitted_where_upsampling_could_not(kind):
    stride = STRIDES[kind]
    options = dict(encoder=(), decode_head=dict(channels=max(3 * stride**2, 16)))
    loss, noise = overfit(build_pretrainer(kind, **options), steps=120)
    assert loss < 0.7
    if stride == 1:
        return
    floor = upsampling_floor(noise, stride)
    assert floor == pytest.approx(1 - 1 / stride**2, abs=0.02)
    assert loss < floor - 0.2
    model = build_pretrainer(kind, **options)
    head = model.decode_head
    head.conv_seg = nn.Conv2d(head.channels, 3, 1)

    def upsampled(corrupted):
        maps = head(model.extract_feat(corrupted.noisy))
        return F.interpolate(maps, SIZE, mode='bilinear', align_corners=False)

    loss, noise = overfit(model, 120, upsampled)
    assert floor - 0.01 < loss < noise.square().mean()  # it has learned, and cannot more


@pytest.mark.parametrize('kind', KINDS)
def test_the_encoder_is_frozen_and_the_decoder_learns(kind):
    model = build_pretrainer(kind)
    before = copy.deepcopy(model.state_dict())
    frozen = 'backbone.encoder.' if kind == 'UNet' else 'backbone.'
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad != name.startswith(frozen), name
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    for _ in range(2):
        model.train()
        modes = {n: m.training for n, m in model.named_modules() if n.startswith(frozen)}
        assert not any(modes.values())
        losses = model.loss(photos(2, SIZE), samples(2, SIZE))
        optimizer.zero_grad()
        losses['loss_denoising'].backward()
        optimizer.step()
    for name, value in model.state_dict().items():
        same = torch.equal(value, before[name])
        if name.startswith(frozen):
            assert same, name
        elif name.endswith('.weight') and value.is_floating_point():
            assert not same, name


def test_no_graph_is_built_through_a_frozen_encoder():
    model = build_pretrainer('UPerNet')
    model.train()
    features = model.extract_feat(photos(2, SIZE))
    assert not any(feature.requires_grad for feature in features)


def test_dep_trains_everything():
    model = build_pretrainer('UNet', encoder=())
    assert all(p.requires_grad for p in model.parameters())
    model.train()
    assert all(module.training for module in model.modules())


def test_a_neck_belongs_to_the_decoder():
    config = stock_model_config('UPerNet')
    config.neck = dict(type='FPN', in_channels=[8, 16, 32, 64], out_channels=16, num_outs=4)
    config.decode_head.in_channels = [16] * 4
    model = build_pretrainer(config)
    names = {name.partition('.')[0] for name, p in model.named_parameters() if p.requires_grad}
    assert names == {'neck', 'decode_head'}


def test_the_loss_is_the_mean_squared_error():
    model = build_pretrainer('UPerNet')
    images, size = photos(2, SIZE), SIZE
    for target in ('noise', 'image'):
        model.target = target
        model.eval()
        torch.manual_seed(5)
        losses = model.loss(images, samples(2, size))
        torch.manual_seed(5)
        noise = torch.randn_like(images)
        noisy = 0.95**0.5 * images + 0.05**0.5 * noise
        expected = F.mse_loss(model(noisy), noise if target == 'noise' else images)
        torch.testing.assert_close(losses['loss_denoising'], expected)
        # logged beside it, and no part of the sum of losses
        variance = images.var((0, 2, 3), correction=0)
        linear = 0.95 * variance / (0.95 * variance + 0.05)
        if target == 'image':
            linear = linear * 0.05 / 0.95
        torch.testing.assert_close(losses['linear_mse'], linear.mean())
        assert model.parse_losses(losses)[0] == losses['loss_denoising']


def test_padding_has_no_loss():
    model = build_pretrainer('UPerNet').eval()
    images = photos(2, SIZE)
    images[0, :, 40:] = images[0, :, :, 48:] = 0
    batch = samples(2, SIZE)
    batch[0].set_metainfo(dict(img_shape=(40, 48)))
    torch.manual_seed(5)
    loss = model.loss(images, batch)['loss_denoising']
    torch.manual_seed(5)
    noise = torch.randn_like(images)
    noisy = 0.95**0.5 * images + 0.05**0.5 * noise
    noisy[0, :, 40:] = noisy[0, :, :, 48:] = 0
    errors = (model(noisy) - noise).square()
    counted = torch.cat([errors[0, :, :40, :48].flatten(), errors[1].flatten()])
    torch.testing.assert_close(loss, counted.mean())


def test_pictures_of_a_perfect_prediction_are_the_photo():
    """With the network's outputs put in place of it: gray levels, order of channels, error."""
    model = build_pretrainer('UPerNet').eval()
    pictures = torch.randint(0, 256, (1, 3, *SIZE)).float()
    images = gray_to_normalised(model, pictures)
    for target in ('noise', 'image'):
        model.target = target
        truths = {}

        def predict(corrupted, truths=truths, target=target):
            truths['noisy'] = corrupted.noisy
            return corrupted.noise if target == 'noise' else images

        model.predict_target = predict
        (sample,) = model.predict(images, samples(1, SIZE))
        torch.testing.assert_close(sample.clean.data, pictures[0], atol=1e-3, rtol=0)
        torch.testing.assert_close(sample.restored.data, pictures[0], atol=1e-2, rtol=0)
        assert sample.denoising_mse == 0
        std, mean = model.data_preprocessor.std, model.data_preprocessor.mean
        noisy = truths['noisy'][0] * std + mean
        torch.testing.assert_close(sample.noisy.data, noisy)


def test_images_without_conversion_are_bgr():
    model = build_pretrainer('UPerNet', data_preprocessor=dict(bgr_to_rgb=False)).eval()
    pictures = torch.randint(0, 256, (1, 3, *SIZE)).float()
    (sample,) = model.predict(gray_to_normalised(model, pictures), samples(1, SIZE))
    torch.testing.assert_close(sample.clean.data, pictures[0].flip(0), atol=1e-3, rtol=0)


def test_noise_in_validation_belongs_to_the_file():
    model = build_pretrainer('UPerNet').eval()
    images = photos(2, SIZE)
    first, second = model.predict(images, samples(2, SIZE, ['x/a.jpg', 'x/b.jpg']))
    (alone,) = model.predict(images[1:], samples(1, SIZE, ['/elsewhere/b.jpg']))
    assert torch.equal(alone.noisy.data, second.noisy.data)
    noise = [sample.noisy.data - sample.clean.data for sample in (first, second)]
    assert not torch.allclose(*noise, atol=1)
    model.seed = 1
    (other,) = model.predict(images[1:], samples(1, SIZE, ['x/b.jpg']))
    assert not torch.equal(other.noisy.data, second.noisy.data)


def test_dropout_in_front_of_the_classifier_is_off():
    assert build_stock('FCN').decode_head.dropout is not None
    assert build_pretrainer('FCN').decode_head.dropout is None


def test_a_cascade_needs_its_stage():
    init_default_scope('mmseg')
    config = Config.fromstring(f"_base_ = 'mmseg::{CASCADE}'", '.py')
    model = config.model
    model.pretrained = None
    model.backbone = dict(model.backbone, depth=18, base_channels=8, stem_channels=8)
    for head, change in zip(
        model.decode_head,
        (dict(in_channels=32, channels=8), dict(in_channels=64, channels=64, ocr_channels=8)),
    ):
        head.update(change)
    with pytest.raises(ValueError, match=r'0: FCNHead, 1: OCRHead.*head=<stage>'):
        build_pretrainer(copy.deepcopy(model))
    for stage, width in ((0, 8), (1, 64)):
        pretrainer = build_pretrainer(copy.deepcopy(model), head=stage)
        assert pretrainer.pixel_prediction.conv.in_channels == width
        assert len(pretrainer.decode_head) == stage + 1
        pretrainer.train()
        losses = pretrainer.loss(photos(2, SIZE), samples(2, SIZE))
        losses['loss_denoising'].backward()
        idle = [
            name for name, p in pretrainer.named_parameters() if p.requires_grad and p.grad is None
        ]
        assert idle == []
    with pytest.raises(ValueError, match='leave head out'):
        build_pretrainer('FCN', head=0)


@pytest.mark.parametrize(
    ('head', 'message'),
    [
        (
            dict(
                type='SegmenterMaskTransformerHead',
                in_channels=64,
                channels=16,
                num_classes=5,
                num_layers=1,
                num_heads=2,
                embed_dims=16,
            ),
            'SegmenterMaskTransformerHead has no classifier layer conv_seg of its own',
        ),
        (
            dict(
                type='EncHead', in_channels=[16, 32, 64], in_index=(1, 2, 3), channels=16, num_codes=4,
                use_se_loss=True, add_lateral=False, num_classes=5,
            ),
            'EncHead goes on behind its classifier',
        ),
    ],
)  # fmt: skip
def test_heads_that_are_refused(head, message):
    config = stock_model_config('FCN')
    config.decode_head = head
    with pytest.raises((ValueError, FeatureError), match=message):
        build_pretrainer(config)


@pytest.mark.parametrize(
    'path',
    [
        'maskformer/maskformer_r50-d32_8xb2-160k_ade20k-512x512.py',
        'mask2former/mask2former_r50_8xb2-90k_cityscapes-512x1024.py',
    ],
)
def test_heads_of_masks_are_refused(path):
    pytest.importorskip('mmdet')
    model = Config.fromstring(f"_base_ = 'mmseg::{path}'", '.py').model
    model.backbone.init_cfg = None
    with pytest.raises(ValueError, match=r'FormerHead has no classifier layer conv_seg'):
        build_pretrainer(model)


@pytest.mark.parametrize(
    ('path', 'head'),
    [
        ('ddrnet/ddrnet_23-slim_in1k-pre_2xb6-120k_cityscapes-1024x1024.py', 'DDRHead'),
        ('pidnet/pidnet-s_2xb6-120k_1024x1024-cityscapes.py', 'PIDHead'),
    ],
)
def test_heads_of_another_output_in_training_are_refused(path, head):
    model = Config.fromstring(f"_base_ = 'mmseg::{path}'", '.py').model
    model.backbone.init_cfg = None
    with pytest.raises(FeatureError, match=f'{head} takes or gives something else in training'):
        build_pretrainer(model)


def test_point_heads_are_refused():
    model = Config.fromstring(f"_base_ = 'mmseg::{POINTREND}'", '.py').model
    model.pretrained = None
    with pytest.raises(ValueError, match='PointHead has no classifier layer conv_seg of its own'):
        build_pretrainer(model, head=1)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(encoder=('backbone', 'decode_head')), 'nothing but the classifier'),
        (dict(encoder='bakbone'), "no module 'bakbone'; its children are"),
        (dict(encoder=('decode_head.loss_decode',)), 'without parameters'),
        (dict(target='noize'), "target='noize'"),
    ],
)
def test_options_that_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build_pretrainer('UPerNet', **options)


def test_a_decoder_inside_a_frozen_backbone_is_refused():
    head = dict(num_convs=0, concat_input=False, channels=8)
    with pytest.raises(ValueError, match='nothing but the classifier'):
        build_pretrainer('UNet', encoder=('backbone',), decode_head=head)
    assert build_pretrainer('UNet', decode_head=head).encoder == ('backbone.encoder',)


def test_too_few_channels_are_told(capsys):
    model = build_pretrainer('PSPNet')
    assert model.pixel_prediction.conv.in_channels == 16
    assert 'of white noise they explain at most 8%' in capsys.readouterr().out


def test_the_first_iteration_tells_noise_and_variance(capsys):
    model = build_pretrainer('UPerNet')
    model.train()
    images = photos(2, SIZE)
    model.loss(images, samples(2, SIZE))
    model.loss(images, samples(2, SIZE))
    log = capsys.readouterr().out
    assert log.count('gray levels') == 1
    variances = images.var((0, 2, 3), correction=0)
    assert ', '.join(f'{v:.2f}' for v in variances.tolist()) in log
    sigma = math.sqrt(0.05 / 0.95)
    levels = [f'{sigma * std:.1f}' for std in (58.395, 57.12, 57.375)]
    assert ', '.join(levels) in log


def test_of_a_range_the_first_iteration_tells_the_noise_of_the_image_in_the_middle(capsys):
    model = build_pretrainer('UPerNet', corruption=dict(gamma=(0, 1)))
    levels = torch.tensor([1e-6, 0.4, 0.9])
    model.corruption._draw_gamma = lambda *args: levels
    model.train()
    model.loss(photos(3, SIZE), samples(3, SIZE))
    sigma = math.sqrt(0.6 / 0.4)
    told = ', '.join(f'{sigma * std:.1f}' for std in (58.395, 57.12, 57.375))
    assert f'standard deviation of {told} gray levels' in capsys.readouterr().out


def test_padding_of_more_than_half_is_told(capsys):
    model = build_pretrainer('UPerNet')
    batch = samples(2, (20, 64))
    model.train()
    model.loss(photos(2, SIZE), batch)
    assert '69% of the first batch is padding' in capsys.readouterr().out


UNET_HEAD = dict(
    type='UNetDecoderHead',
    in_channels=[8, 16, 32, 64],
    strides=[4, 8, 16, 32],
    channels_list=[16, 12, 8, 6, 6],
    num_classes=5,
)


def unet(**head):
    config = stock_model_config('UPerNet')
    config.backbone.update(strides=(1, 2, 2, 2), dilations=(1, 1, 1, 1))
    config.decode_head = dict(UNET_HEAD, **head)
    return config


def test_the_unet_decoder_is_pretrained_at_full_resolution():
    model = build_pretrainer(unet())
    assert model.pixel_prediction.stride == 1
    for size in [(64, 64), (61, 75), (33, 34)]:  # cells of its finest map are of 4 pixels
        assert model(torch.randn(2, 3, *size)).shape == (2, 3, *size)
    wide = unet(channels_list=[32, 24, 16, 16, 16])
    assert overfit(build_pretrainer(wide, encoder=()), 120)[0] < 0.8


def test_a_decoder_that_knows_the_level_is_told_it():
    model = build_pretrainer(unet(level_embedding=True), corruption=dict(gamma=(0.1, 0.9)))
    told = []
    set_level = model.decode_head.set_level

    def listen(level):
        told.append(level)
        set_level(level)

    model.decode_head.set_level = listen
    model.eval()
    torch.manual_seed(2)
    model.loss(photos(2, SIZE), samples(2, SIZE))
    torch.manual_seed(2)
    expected = model.corruption(photos(2, SIZE)).log_sigma
    assert torch.equal(told[0], expected)
    left = model.leaves({}).kind.parts['']
    kept = {key for key in model.state_dict() if left.rest(key)}
    assert not any('level_embedding' in key or 'conv_seg' in key for key in kept)
    assert any('decode_head.blocks' in key for key in kept)


def test_a_level_that_never_changes_needs_no_embedding():
    with pytest.raises(ValueError, match='level_embedding=True.*always the same'):
        build_pretrainer(unet(level_embedding=True))


def raw_batch(*sizes):
    """What a data loader gives: BGR uint8 images of any sizes, with samples that say them."""
    images = [torch.randint(0, 256, (3, *size), dtype=torch.uint8) for size in sizes]
    batch = [samples(1, size, [f'{index}.jpg'])[0] for index, size in enumerate(sizes)]
    return dict(inputs=images, data_samples=batch)


@pytest.mark.parametrize(
    'padding', [dict(size=(64, 80)), dict(size_divisor=32), dict()], ids=['size', 'divisor', 'none']
)
def test_padding_by_the_preprocessor_has_neither_noise_nor_loss(padding):
    """Also padding that is not the mean color, and where an image of the batch has none."""
    model = build_pretrainer('UPerNet', data_preprocessor=dict(padding, pad_val=3)).train()
    raw = raw_batch((40, 48), (64, 50))
    data = model.data_preprocessor(raw, training=True)
    corrupted = []
    model.corruption.register_forward_hook(lambda module, args, out: corrupted.append(out))
    torch.manual_seed(5)
    loss = model(**data, mode='loss')['loss_denoising']
    noisy, noise = corrupted[0].noisy, corrupted[0].noise
    assert torch.equal(noisy[0, :, 40:], data['inputs'][0, :, 40:])
    assert torch.equal(noisy[0, :, :, 48:], data['inputs'][0, :, :, 48:])
    if noisy.shape[-1] > 50:
        assert (noisy[:, :, :, 50:] == 3).all()
    assert (noisy[0, :, :40, :48] != data['inputs'][0, :, :40, :48]).all()
    errors = (model._run(noisy) - noise).square()
    counted = torch.cat([errors[0, :, :40, :48].flatten(), errors[1, :, :, :50].flatten()])
    torch.testing.assert_close(loss, counted.mean())


def test_padding_in_validation_is_cut_off_again():
    """As networks ask for that take no other sizes; the photo is measured and drawn as it is."""
    test_cfg = dict(size_divisor=32)
    model = build_pretrainer('UNet', data_preprocessor=dict(test_cfg=test_cfg)).eval()
    raw = raw_batch((41, 55))
    photo = raw['inputs'][0].flip(0).float()
    predictions = {}
    model.corruption.register_forward_hook(lambda module, args, out: predictions.update(out=out))
    (sample,) = model.val_step(raw)
    torch.testing.assert_close(sample.clean.data, photo, atol=1e-3, rtol=0)
    assert sample.noisy.data.shape == sample.restored.data.shape == (3, 41, 55)
    corrupted = predictions['out']
    errors = (model(corrupted.noisy) - corrupted.noise)[0, :, :41, :55].square()
    torch.testing.assert_close(sample.denoising_mse, errors.mean())


def test_noise_in_validation_is_the_same_however_an_image_is_padded():
    raw = raw_batch((41, 55))
    noise = []
    for divisor in (None, 8, 32):
        padding = dict(test_cfg=divisor and dict(size_divisor=divisor))
        model = build_pretrainer('UPerNet', data_preprocessor=padding).eval()
        (sample,) = model.val_step(copy.deepcopy(raw))
        noise.append(sample.noisy.data - 0.95**0.5 * sample.clean.data)
    for each in noise[1:]:
        torch.testing.assert_close(each, noise[0])


def test_a_copy_is_independent_and_can_be_stored():
    """As EMAHook makes one, and as a process that is started afresh gets one."""
    model = build_pretrainer('UPerNet', corruption=dict(gamma=0.9, unit_variance=True)).train()
    copied = copy.deepcopy(model)
    model.loss(photos(2, SIZE), samples(2, SIZE))
    assert (model.corruption.data_std > 0).all() and not copied.corruption.data_std.any()
    stored = pickle.loads(pickle.dumps(model))
    assert all(torch.equal(v, model.state_dict()[k]) for k, v in stored.state_dict().items())
    assert not any(p.requires_grad for p in stored.backbone.parameters())
    for each in (copied, stored):
        each.train()
        assert not each.backbone.training
        each.loss(photos(2, SIZE), samples(2, SIZE))['loss_denoising'].backward()


def test_the_config_stays_as_it_is():
    """It is written into the work dir and into checkpoints, from which it is built again."""
    init_default_scope('mmseg')
    for kind in ('UPerNet', 'UNet'):
        config = stock_model_config(kind)
        config.type = 'DenoisingDecoderPretrainer'
        config.corruption = dict(gamma=0.9)
        before = Config(dict(model=config)).pretty_text
        MODELS.build(config)
        assert Config(dict(model=config)).pretty_text == before


def test_recomputed_activations_of_the_decoder_alone():
    """Gradient checkpointing of stock networks asks for a gradient of their input: frozen, they skip it."""
    plain = build_pretrainer('UNet')
    saving = build_pretrainer('UNet', backbone=dict(with_cp=True))
    saving.load_state_dict(plain.state_dict())
    gradients = []
    for model in (plain, saving):
        model.train()
        torch.manual_seed(5)
        model.loss(photos(2, SIZE), samples(2, SIZE))['loss_denoising'].backward()
        gradients.append({n: p.grad for n, p in model.named_parameters() if p.requires_grad})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, msg=name)


@pytest.mark.parametrize('options', [dict(num_classes=2), dict(num_classes=2, out_channels=1)])
def test_heads_of_two_classes_are_pretrained_like_others(options):
    model = build_pretrainer('UPerNet', decode_head=options)
    assert model(photos(2, SIZE)).shape == (2, 3, *SIZE)
    names = {key for key in model.state_dict() if 'conv_seg' in key}
    assert names == {'decode_head.conv_seg.conv.weight', 'decode_head.conv_seg.conv.bias'}
