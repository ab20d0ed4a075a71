"""U-Net's decoder against the same steps in torch.nn.functional, for encoders of several strides."""

import pytest
import torch
import torch.nn.functional as F
from hypercolumn_models import CROSS_ENTROPY, K, batch, segmentor_config
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from paper_configs import without_gradient

import labelenc_mm
from labelenc_mm.segmentation import UNetDecoderHead

WIDTHS = (10, 8, 6, 5, 4)
UNET = dict(in_channels=(3, 4, 5, 6, 7), strides=(2, 4, 8, 16, 32))
TRANSUNET = dict(in_channels=(3, 4, 5, 6), strides=(2, 4, 8, 16))
WITHOUT_STEM = dict(in_channels=(4, 5, 6, 7), strides=(4, 8, 16, 32))
WITH_PIXELS = dict(in_channels=(2, 3, 5), strides=(1, 2, 16))


def head(in_channels, strides, **options):
    """In evaluation mode, with statistics and affine parameters of norms that are not the initial ones."""
    options = dict(channels_list=WIDTHS, num_classes=K, loss_decode=CROSS_ENTROPY) | options
    made = UNetDecoderHead(in_channels, strides, **options)
    made.init_weights()
    for name, value in made.state_dict().items():
        if '.bn.' in name and value.is_floating_point():
            torch.nn.init.uniform_(value, 0.1, 0.5)
    return made.eval()


def maps(in_channels, strides, size, count=2):
    """Random maps, rounded up as ResNet's are."""
    sides = [[-(-side // stride) for side in size] for stride in strides]
    return [torch.randn(count, c, *side) for c, side in zip(in_channels, sides)]


def plain_unet(state, inputs, strides, modulations=None):
    """Block by block, by hand, from the head's weights and the maps of an encoder."""
    by_stride = dict(zip(strides, inputs))
    stride = max(by_stride)
    x = by_stride.pop(stride)
    for index in range(5):
        target = 2 ** (4 - index)
        skip = by_stride.get(target)
        if stride != target:
            height, width = x.shape[-2:]
            size = (2 * height, 2 * width) if skip is None else skip.shape[-2:]
            x = F.interpolate(x, size, mode='bilinear', align_corners=False)
        if skip is not None:
            x = torch.cat((x, skip), 1)
        for conv in (1, 2):
            name = f'blocks.{index}.conv{conv}'
            x = F.conv2d(x, state[f'{name}.conv.weight'], padding=1)
            mean, var = state[f'{name}.bn.running_mean'], state[f'{name}.bn.running_var']
            x = F.batch_norm(x, mean, var, state[f'{name}.bn.weight'], state[f'{name}.bn.bias'])
            if conv == 2 and modulations is not None:
                scale, shift = modulations[index]
                x = x * (1 + scale[:, :, None, None]) + shift[:, :, None, None]
            x = F.relu(x)
        stride = target
    return F.conv2d(x, state['conv_seg.weight'], state['conv_seg.bias'])


@pytest.mark.parametrize('size', [(64, 96), (50, 70), (33, 47)])
@pytest.mark.parametrize('encoder', [UNET, TRANSUNET, WITHOUT_STEM, WITH_PIXELS])
def test_scores_are_those_of_the_plain_steps_at_the_size_of_the_image(encoder, size):
    model = head(**encoder)
    inputs = maps(size=size, **encoder)
    scores = model(inputs)
    torch.testing.assert_close(
        scores, plain_unet(model.state_dict(), inputs, encoder['strides']), rtol=1e-4, atol=1e-5
    )
    finest = min(encoder['strides'])
    assert scores.shape[-2:] == tuple(-(-side // finest) * finest for side in size)


@pytest.mark.parametrize(('width_mult', 'millions'), [(1, 28.9), (2, 95.6), (3, 199.8)])
def test_widths_of_the_paper_have_as_many_parameters_as_reckoned(width_mult, millions):
    """TransUNet's skips; the first block convolves twice at stride 16. Norm layers have 0.01 % beside."""
    widths = [width * width_mult for width in (1024, 512, 256, 128, 64)]
    inputs = zip([768, *widths], (0, 512, 256, 64, 0), widths)
    expected = sum(9 * width * (below + skip + width) for below, skip, width in inputs)
    with torch.device('meta'):
        model = UNetDecoderHead(
            (64, 256, 512, 768), (2, 4, 8, 16), num_classes=K, width_mult=width_mult
        )
    weights = [p for p in model.blocks.parameters() if p.ndim == 4]
    found = sum(weight.numel() for weight in weights)
    assert found == expected and round(found / 1e6, 1) == millions
    assert len(weights) == 10 and all(
        p.ndim == 1 for p in set(model.blocks.parameters()) - set(weights)
    )


def test_order_of_the_maps_does_not_matter():
    model = head(**UNET)
    inputs = maps(size=(64, 64), **UNET)
    order = [3, 0, 4, 2, 1]
    turned = head(
        [UNET['in_channels'][i] for i in order],
        [UNET['strides'][i] for i in order],
        in_index=[i + 1 for i in order],
    )
    turned.load_state_dict(model.state_dict())
    torch.testing.assert_close(turned([None, *inputs]), model(inputs))


def test_interpolation_is_as_told():
    model = head(**TRANSUNET, upsample='nearest')
    inputs = maps(size=(64, 64), **TRANSUNET)
    bilinear = head(**TRANSUNET)
    bilinear.load_state_dict(model.state_dict())
    assert not torch.allclose(model(inputs), bilinear(inputs))
    assert model(inputs).shape == bilinear(inputs).shape


@pytest.mark.parametrize('size', [(64, 64), (75, 50)])
def test_a_stock_segmentor_trains_and_predicts_with_it(size):
    """On EfficientNet-Lite, whose maps have the strides 2 to 32, at a size that is no multiple of them."""
    init_default_scope('mmseg')
    backbone = dict(type='EfficientNetLite', out_indices=(0, 1, 2, 3, 4))
    channels = (16, 24, 40, 112, 320)
    config = segmentor_config(
        backbone, 'UNetDecoderHead', in_channels=channels, strides=(2, 4, 8, 16, 32), num_classes=K
    )
    config.update(type='EncoderDecoder')
    config.decode_head.channels_list = WIDTHS
    model = MODELS.build(config)
    model.init_weights()
    images, samples = batch(size)
    assert without_gradient(model, model.loss(images, samples)) == []
    model.eval()
    assert model.predict(images, samples)[0].seg_logits.data.shape == (K, *size)


def test_the_base_on_resnet_50_trains_all_of_its_parameters():
    config = Config.fromfile(labelenc_mm.config('ddep/_base_/models/unet_r50.py')).model
    backbone, decoder = config.backbone, config.decode_head
    assert config.type == 'EncoderDecoder' and backbone.backbone.depth == 50
    assert backbone.backbone.pop('init_cfg').checkpoint == 'torchvision://resnet50'
    backbone.backbone.update(base_channels=2)
    decoder.in_channels = [64, *(each // 32 for each in decoder.in_channels[1:])]
    decoder.channels_list = WIDTHS
    init_default_scope('mmseg')
    model = revert_sync_batchnorm(MODELS.build(config))
    assert model.backbone.tap_channels == tuple(decoder.in_channels)
    assert model.backbone.tap_strides == tuple(decoder.strides)
    images, samples = batch((50, 70))
    assert without_gradient(model, model.loss(images, samples)) == []


def test_without_a_level_learned_norms_are_as_without_the_embedding():
    plain, model = head(**TRANSUNET), head(**TRANSUNET, level_embedding=True)
    missing, unexpected = model.load_state_dict(plain.state_dict(), strict=False)
    assert unexpected == []
    assert missing and all(key.startswith('level_embedding.') for key in missing)
    inputs = maps(size=(48, 48), **TRANSUNET)
    model.set_level(torch.tensor([-1.5, 0.5]))
    assert torch.equal(model(inputs), plain(inputs))


def test_the_level_of_each_image_scales_and_shifts_the_second_norms():
    model = head(**TRANSUNET, level_embedding=True)
    embedding = model.level_embedding
    torch.nn.init.normal_(embedding.output.weight)
    torch.nn.init.normal_(embedding.output.bias)
    inputs = maps(size=(50, 48), **TRANSUNET)
    level = torch.tensor([-1.5, 0.5])
    model.set_level(level)
    numbers = embedding.output(F.silu(embedding.hidden(level[:, None])))
    modulations, start = [], 0
    for width in WIDTHS:
        ends = start + width, start + 2 * width
        modulations.append((numbers[:, start : ends[0]], numbers[:, ends[0] : ends[1]]))
        start = ends[1]
    expected = plain_unet(model.state_dict(), inputs, TRANSUNET['strides'], modulations)
    scores = model(inputs)
    torch.testing.assert_close(scores, expected, rtol=1e-4, atol=1e-4)
    scores.square().mean().backward()
    assert all(p.grad is not None and p.grad.any() for p in embedding.parameters())


def test_a_level_that_is_missing_stale_or_unwanted_is_told():
    model = head(**TRANSUNET, level_embedding=True)
    inputs = maps(size=(32, 32), **TRANSUNET)
    with pytest.raises(ValueError, match='2 images and no level: call set_level'):
        model(inputs)
    model.set_level(torch.zeros(3))
    with pytest.raises(ValueError, match='2 images and levels of 3'):
        model(inputs)
    with pytest.raises(ValueError, match='set level_embedding=True'):
        head(**TRANSUNET).set_level(torch.zeros(2))


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(strides=(2, 4, 8)), 'one number for each map'),
        (dict(in_index=(0, 1)), r'in_index=\[0, 1\].*one number for each map'),
        (dict(in_channels=(), strides=()), 'one number for each map'),
        (
            dict(strides=(2, 4, 4, 16)),
            r'\[2, 4, 4, 16\].*must be 16 or 32 and the others different',
        ),
        (dict(strides=(1, 2, 4, 8)), 'largest must be 16 or 32'),
        (dict(strides=(2, 3, 8, 16)), r'different ones out of \[1, 2, 4, 8, 16\]'),
        (dict(channels_list=(8, 4)), r'with 2 blocks.*largest must be 2 or 4'),
    ],
)
def test_maps_that_do_not_fit_the_blocks_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        head(**{**TRANSUNET, **options})
