"""Numbers of taps that the segmentor fills in, against those written out for mmseg's EncoderDecoder."""

import copy

import pytest
import torch
from hypercolumn_models import DENSENET, MMDET, NORM, RESNET, VGG, batch, segmentor_config
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.apis import init_model
from mmseg.registry import MODELS

from labelenc_mm.segmentation import export_segmentor

PLAIN = RESNET['backbone']  # two outputs without names


def build(config, seed=0):
    init_default_scope('mmseg')
    torch.manual_seed(seed)
    model = MODELS.build(copy.deepcopy(config))
    model.init_weights()
    return model


def written_out(config, channels, strides):
    config = copy.deepcopy(config)
    config.type = 'EncoderDecoder'
    config.decode_head.update(in_channels=channels, strides=strides)
    return config


@pytest.mark.parametrize(
    'backbone, options, channels, strides',
    [
        (VGG, {}, (2, 8, 16), (1, 4, 16)),
        (VGG, dict(type='FCNSkipHead', in_index=(-1, 0)), (16, 2), (16, 1)),
        (DENSENET, dict(tap_norm_cfg=NORM), (4, 8, 8), (2, 4, 8)),
        (RESNET, {}, (64, 4, 8), (2, 4, 8)),
        (MMDET, {}, (4, 4, 8), (2, 4, 8)),
        (PLAIN, {}, (4, 8), (4, 8)),
    ],
)
def test_filled_in_is_written_out(backbone, options, channels, strides):
    """Stock names and places, the same start, the same losses, to the bit."""
    config = segmentor_config(backbone, **options)
    images, samples = batch((43, 38))
    results = []
    for each in (config, written_out(config, channels, strides)):
        model = build(each)
        results.append(model.state_dict() | model.loss(images, samples))
    assert list(results[0]) == list(results[1])
    assert all(torch.equal(value, results[1][key]) for key, value in results[0].items())
    assert 'in_channels' not in config.decode_head  # the config stays as it was


def test_outputs_of_a_neck_are_measured():
    config = segmentor_config(PLAIN)
    config.neck = dict(type='FPN', in_channels=[4, 8], out_channels=6, num_outs=3)
    head = build(config).decode_head
    assert head.in_channels == [6, 6, 6] and head.projection.strides == (4, 8, 16)


def test_auxiliary_heads_on_taps_too():
    config = segmentor_config()
    ours = dict(config.decode_head, in_index=(1, 2))
    stock = dict(type='FCNHead', in_channels=8, channels=4, in_index=1, num_convs=1, num_classes=5)
    config.auxiliary_head = [ours, stock]
    first, second = build(config).auxiliary_head
    assert first.in_channels == [8, 16] and second.in_channels == 8
    config.auxiliary_head = ours
    assert build(config).auxiliary_head.projection.strides == (4, 16)


@pytest.mark.parametrize('key, numbers', [('in_channels', (2, 8, 16)), ('strides', [1, 4, 16])])
def test_numbers_that_are_given_are_compared(key, numbers):
    assert build(segmentor_config(**{key: numbers}))
    wrong = [*numbers[:2], 32]
    with pytest.raises(ValueError) as error:
        build(segmentor_config(**{key: wrong}))
    assert str(error.value) == (
        f'model.decode_head.{key}={wrong}, but the outputs of TappedVGG that it reads have '
        f'{list(numbers)}: leave it out, it is filled in'
    )


def test_outputs_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match=r'in_index=\[0, 3\], but TappedVGG has 3 outputs, 0 to 2'):
        build(segmentor_config(in_index=(0, 3)))


@pytest.mark.parametrize('name', ['EncoderDecoder', 'LabelStructureEncoderDecoder'])
def test_other_models_say_who_fills_the_numbers_in(name):
    config = segmentor_config()
    config.type = name
    if name != 'EncoderDecoder':
        config.label_structure = dict(random_init=True)
    with pytest.raises(ValueError, match='HypercolumnEncoderDecoder fills them in'):
        build(config)


def test_label_structure_leaves_a_segmentor_that_mmseg_loads_with_the_import(tmp_path):
    config = Config(
        dict(
            default_scope='mmseg',
            custom_imports=dict(imports=['labelenc_mm'], allow_failed_imports=False),
            model=segmentor_config(
                data_preprocessor=dict(type='SegDataPreProcessor', size=(64, 80))
            ),
        )
    )
    model = config.model
    model.data_preprocessor = model.decode_head.pop('data_preprocessor')
    model.type = 'LabelStructureHypercolumnEncoderDecoder'
    model.label_structure = dict(features='backbone.conv5_3', channels=(4,) * 5, random_init=True)
    trained = build(model)
    out = export_segmentor(config, trained.state_dict(), str(tmp_path / 's.pth'))
    checkpoint = torch.load(out, weights_only=True)
    exported = Config.fromstring(checkpoint['meta']['cfg'], '.py')
    assert exported.model.type == 'HypercolumnEncoderDecoder'
    assert exported.custom_imports.imports == ['labelenc_mm']
    loaded = init_model(exported, out, device='cpu')
    # The stock class takes the same file where the numbers are written out.
    stock = build(written_out(exported.model, (2, 8, 16), (1, 4, 16))).eval()
    stock.load_state_dict(checkpoint['state_dict'], strict=True)
    images, samples = batch((64, 80))
    metas = [sample.metainfo for sample in samples]
    expected = trained.eval().encode_decode(images, metas)
    assert torch.equal(loaded.encode_decode(images, metas), expected)
    assert torch.equal(stock.encode_decode(images, metas), expected)
