"""The stock segmentor that a training leaves behind."""

import pytest
import torch
from mmengine.config import Config
from mmseg.apis import inference_model, init_model
from mmseg.registry import MODELS
from segmentation_models import (
    CHANNELS,
    NUM_CLASSES,
    PECULIAR_CONFIGS,
    SIZE,
    build,
    cascade_model_config,
    peculiar_model_config,
    stock_model_config,
)

from labelenc_mm.handover.export import Exporter, ExportError
from labelenc_mm.segmentation.label_structure.export import export_segmentor, stock_config

DECODER = dict(channels=CHANNELS, random_init=True)
PLAIN = dict(
    type='FrozenLabelDecoderHead', num_classes=NUM_CLASSES, in_channels=64, in_index=3, **DECODER
)


def training_config(model):
    config = Config.fromstring(
        "_base_ = 'mmseg::pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-512x1024.py'", '.py'
    )
    config.model = model
    config.merge_from_dict(
        dict(
            default_hooks=dict(
                reseed=dict(type='ReseedHook'), label_structure=dict(type='LabelStructureHook')
            ),
            custom_imports=dict(imports=['labelenc_mm'], allow_failed_imports=False),
            model_wrapper_cfg=dict(type='CPUCapableDistributedDataParallel'),
        )
    )
    return config


def trained(model, **changes):
    """A config and weights whose batch norms have statistics of their own."""
    config = training_config(Config(dict(model=model.to_dict() | changes)).model)
    segmentor = build(config.model)
    generator = torch.Generator().manual_seed(0)
    for name, buffer in segmentor.named_buffers():
        if 'running' in name:
            noise = torch.rand(buffer.shape, generator=generator) - 0.5
            buffer.copy_(noise / 10 if 'mean' in name else noise + 1)
    return config, segmentor.state_dict()


def with_label_structure():
    model = stock_model_config('PSPNet')
    return trained(model, type='LabelStructureEncoderDecoder', label_structure=DECODER)


def with_heads(*order):
    """PSPNet with its auxiliary head (s), another (t) and ours (o) in a list of this order."""
    model = stock_model_config('PSPNet')
    other = model.auxiliary_head.to_dict() | dict(in_channels=16, in_index=1)
    heads = {'s': model.auxiliary_head.to_dict(), 't': other, 'o': PLAIN}
    config, state = trained(model, auxiliary_head=[heads[letter] for letter in order])
    stock = [heads[letter] for letter in order if letter != 'o']
    return config, state, stock[0] if len(stock) == 1 else stock


def check(config, state, stock_model, tmp_path):
    """Exports, and loads the file strictly into the stock model built from the stock config."""
    out = export_segmentor(config, state, str(tmp_path / 's.pth'), dict(classes=('a', 'b')))
    checkpoint = torch.load(out, weights_only=True)  # PyTorch's own rules: plain types alone
    assert checkpoint['meta']['dataset_meta'] == {'classes': ('a', 'b')}
    stock = build(stock_model)
    stock.load_state_dict(checkpoint['state_dict'], strict=True)
    own = Config.fromstring(checkpoint['meta']['cfg'], '.py')
    assert 'label' not in own.pretty_text.lower().replace('reduce_zero_label', '').replace(
        'seg_fields', ''
    ).replace('labels', '')
    MODELS.build(own.model).load_state_dict(checkpoint['state_dict'], strict=True)
    return checkpoint['state_dict'], stock


def test_label_structure_leaves_the_stock_segmentor(tmp_path):
    config, state = with_label_structure()
    exported, stock = check(config, state, stock_model_config('PSPNet'), tmp_path)
    assert exported.keys() == stock.state_dict().keys()
    for key, value in exported.items():
        assert torch.equal(value, state[key])
    versions = exported._metadata
    assert versions['backbone.layer1.0.bn1'] == state._metadata['backbone.layer1.0.bn1']
    assert not any(key.startswith('label_structure') for key in versions)


@pytest.mark.parametrize('name', PECULIAR_CONFIGS)
def test_segmentors_that_do_not_take_every_image_or_do_not_the_same_twice(name, tmp_path):
    model = peculiar_model_config(name)
    changes = dict(type='LabelStructureEncoderDecoder', label_structure=DECODER)
    check(*trained(model, **changes), model, tmp_path)


def test_cascades_too(tmp_path):
    model = cascade_model_config()
    config, state = trained(
        model, type='LabelStructureCascadeEncoderDecoder', label_structure=DECODER
    )
    exported, _ = check(config, state, model, tmp_path)
    assert stock_config(config).model.type == 'CascadeEncoderDecoder'
    assert 'decode_head.1.conv_seg.weight' in exported


@pytest.mark.parametrize('order', ['so', 'os', 'sot', 'tos', 'ots'])
def test_stock_auxiliary_heads_get_their_stock_names_back(order, tmp_path):
    config, state, heads = with_heads(*order)
    stock_model = Config(dict(model=stock_model_config('PSPNet').to_dict())).model
    stock_model.auxiliary_head = heads
    exported, _ = check(config, state, stock_model, tmp_path)
    stock_order = [letter for letter in order if letter != 'o']
    for new, letter in enumerate(stock_order):
        name = f'auxiliary_head.{new}.' if len(stock_order) > 1 else 'auxiliary_head.'
        old = f'auxiliary_head.{order.index(letter)}.'
        key = 'conv_seg.weight'
        assert torch.equal(exported[name + key], state[old + key])


def test_our_head_alone_leaves_no_auxiliary_head(tmp_path):
    stock_model = Config(dict(model=stock_model_config('PSPNet').to_dict())).model
    del stock_model['auxiliary_head']
    for ours in (PLAIN, [PLAIN]):
        config, state = trained(stock_model, auxiliary_head=ours)
        exported, _ = check(config, state, stock_model, tmp_path)
        assert not any(key.startswith('auxiliary_head') for key in exported)


def test_exported_file_works_in_the_toolboxs_inference(tmp_path):
    config, state = with_label_structure()
    meta = dict(classes=('a', 'b', 'c', 'd', 'e'), palette=[[i] * 3 for i in range(5)])
    out = export_segmentor(config, state, str(tmp_path / 's.pth'), meta)
    text = torch.load(out, weights_only=True)['meta']['cfg']
    segmentor = init_model(Config.fromstring(text, '.py'), out, device='cpu')
    assert type(segmentor).__name__ == 'EncoderDecoder'
    image = torch.randint(0, 256, (*SIZE, 3), dtype=torch.uint8).numpy()
    assert inference_model(segmentor, image).pred_sem_seg.shape == SIZE


def test_the_import_stays_where_a_part_of_the_model_is_ours():
    """Its users need this package; and what is not of this package stays in any case."""
    config, _ = with_label_structure()
    config.custom_imports.imports = ['labelenc_mm', 'json']
    assert stock_config(config).custom_imports.imports == ['json']
    config.model.decode_head.loss_decode = dict(type='OneHotMSELoss')
    assert stock_config(config).custom_imports.imports == ['labelenc_mm', 'json']


def test_a_segmentor_on_a_backbone_of_ours_is_exported_with_the_import_that_it_needs(tmp_path):
    """And without looking for the weights that its training started from."""
    model = stock_model_config('PSPNet')
    model.backbone = dict(type='EfficientNetLite')
    model.decode_head.in_channels, model.auxiliary_head.in_channels = 320, 112
    config, state = trained(model, type='LabelStructureEncoderDecoder', label_structure=DECODER)
    weights = dict(type='Pretrained', checkpoint='package://no-such-weights')
    config.model.backbone.init_cfg = weights
    out = export_segmentor(config, state, str(tmp_path / 's.pth'))
    checkpoint = torch.load(out, weights_only=True)
    stock = Config.fromstring(checkpoint['meta']['cfg'], '.py')
    assert stock.custom_imports.imports == ['labelenc_mm']
    assert stock.model.type == 'EncoderDecoder' and 'label_structure' not in stock.model
    segmentor = MODELS.build(stock.model)
    segmentor.load_state_dict(checkpoint['state_dict'], strict=True)
    assert torch.equal(
        segmentor.backbone.stem.bn.running_mean, state['backbone.stem.bn.running_mean']
    )


def test_a_data_preprocessor_beside_the_model_is_its_own(tmp_path):
    """mmengine puts it into the model when it builds one."""
    config, state = with_label_structure()
    config.data_preprocessor = config.model.pop('data_preprocessor')
    config.data_preprocessor.mean = [1.0, 2.0, 3.0]
    out = export_segmentor(config, state, str(tmp_path / 's.pth'))
    stock = Config.fromstring(torch.load(out, weights_only=True)['meta']['cfg'], '.py')
    assert stock.model.data_preprocessor.mean == [1.0, 2.0, 3.0]


def test_a_hook_in_place_of_the_toolboxs_gives_it_back():
    config, _ = with_label_structure()
    ours = dict(type='LabelStructureVisualizationHook', draw=True, interval=2)
    config.default_hooks.visualization = ours
    hooks = stock_config(config).default_hooks
    assert hooks.visualization == dict(ours, type='SegVisualizationHook')
    assert 'label_structure' not in hooks and 'reseed' not in hooks


def test_a_wrong_export_is_refused_and_leaves_the_old_file(tmp_path, monkeypatch):
    config, state = with_label_structure()
    out = tmp_path / 's.pth'
    out.write_bytes(b'old')
    incomplete = {k: v for k, v in state.items() if k != 'decode_head.conv_seg.bias'}
    with pytest.raises(ExportError, match='decode_head.conv_seg.bias'):
        export_segmentor(config, incomplete, str(out))

    original = Exporter.stock_state_dict

    def lossy(*args):
        stock = original(*args)
        stock['decode_head.conv_seg.bias'] = stock['decode_head.conv_seg.bias'] + 1
        return stock

    monkeypatch.setattr(Exporter, 'stock_state_dict', lossy)
    with pytest.raises(ExportError, match='conv_seg.bias differs'):
        export_segmentor(config, state, str(out))
    monkeypatch.undo()

    def other_function(exporter, config):
        stock = stock_config(config)
        stock.model.decode_head.align_corners = True
        return stock

    monkeypatch.setattr(Exporter, 'stock_config', other_function)
    with pytest.raises(ExportError, match='does not predict the same'):
        export_segmentor(config, state, str(out))
    assert out.read_bytes() == b'old'
    assert [path.name for path in tmp_path.iterdir()] == ['s.pth']


def test_images_of_one_channel(tmp_path):
    model = stock_model_config('PSPNet')
    model.backbone.update(in_channels=1)
    model.data_preprocessor.update(mean=[128.0], std=[60.0], bgr_to_rgb=False)
    config, weights = trained(model, type='LabelStructureEncoderDecoder', label_structure=DECODER)
    out = export_segmentor(config, weights, str(tmp_path / 'segmentor.pth'))
    exported = torch.load(out, weights_only=True)['state_dict']
    assert exported['backbone.stem.0.weight'].shape[1] == 1
