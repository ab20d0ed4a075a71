"""What a colorization leaves, made ready for a fine-tuning: absorbed, for color, rebalanced."""

import absorb_batch_norm
import convert_first_layer
import pytest
import rebalance_layers
import torch
from colorization_models import VGG, build_pretrainer, photo_batch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from photo_files import write_photo

from labelenc_mm.handover.artefact import load_tensors
from labelenc_mm.pretraining import load_pretrained_segmentor

CONFIG = """
custom_imports = dict(imports=['labelenc_mm'], allow_failed_imports=False)
default_scope = 'mmseg'
preprocessor = dict(type='GraySegDataPreProcessor', mean=[114.45] * 3, std=[255.0] * 3, bgr_to_rgb=True)
model = dict(type='ColorizationPretrainer', data_preprocessor=preprocessor, backbone={backbone})
"""
PLAIN = dict(VGG, norm_cfg=None, fc_norm_cfg=None)


@pytest.fixture
def pretrained(tmp_path):
    """A pretrainer whose statistics were gathered, its config and its file."""
    return leave(VGG, tmp_path)


def leave(backbone, folder):
    """As above, of any backbone."""
    model = build_pretrainer(backbone).train()
    for seed in range(3):
        model(**model.data_preprocessor(photo_batch(seed=seed), True), mode='loss')
    return model.eval(), write(model, folder, backbone), folder / 'pretrained_segmentor.pth'


def write(model, folder, backbone):
    kind, metadata = model.leaves(dict(photos=9))
    kind.save(folder / kind.file_name, model.state_dict(), metadata)
    path = folder / 'config.py'
    path.write_text(CONFIG.format(backbone=backbone))
    return path


def segmentor(backbone, **options):
    init_default_scope('mmseg')
    head = dict(type='HypercolumnHead', num_classes=3, mlp_channels=(8,), num_points=5)
    return MODELS.build(
        dict(type='HypercolumnEncoderDecoder', backbone=backbone, decode_head=head, **options)
    ).eval()


def test_a_segmentor_without_normalisation_takes_what_was_absorbed(pretrained, tmp_path, capsys):
    model, config, file = pretrained
    out = tmp_path / 'absorbed.pth'
    absorb_batch_norm.main([str(config), str(file), str(out)])
    assert '15 layers absorbed' in capsys.readouterr().out
    assert load_tensors(out)[1]['absorbed'] == 15
    plain = segmentor(PLAIN)
    load_pretrained_segmentor(plain, str(out))
    image = torch.randn(1, 1, 64, 64)
    for old, new in zip(model.backbone(image), plain.backbone(image)):
        torch.testing.assert_close(new, old, atol=1e-5, rtol=1e-4)


def test_normalisation_of_taps_in_a_head_is_told_and_left(pretrained, tmp_path, capsys):
    _, config, _ = pretrained
    model = build_pretrainer(tap_norm_cfg=dict(type='BN', affine=False)).train()
    model(**model.data_preprocessor(photo_batch(), True), mode='loss')
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'epoch_1.pth')
    out = tmp_path / 'out.pth'
    absorb_batch_norm.main([str(config), str(tmp_path / 'epoch_1.pth'), str(out)])
    left = 'Left, outside of the backbone: decode_head.projection.norms.0, decode_head.projection.norms.1'
    assert left in capsys.readouterr().out
    state = torch.load(out, weights_only=True)['state_dict']
    key = 'decode_head.projection.norms.1.running_var'
    assert torch.equal(state[key], model.state_dict()[key])
    assert not [k for k in state if k.startswith('backbone.') and 'norm' in k]


def test_a_resnet_keeps_its_layers_where_asked(tmp_path, capsys):
    backbone = dict(
        type='TappedBackbone',
        in_channels=1,
        backbone=dict(type='ResNet', depth=18, base_channels=4, stem_channels=4, in_channels=1),
        taps=['layer4.1'],
    )
    model, config, file = leave(backbone, tmp_path)
    out = tmp_path / 'out.pth'
    with pytest.raises(SystemExit, match=r'(?s)no bias.*--keep-layers.*was not touched'):
        absorb_batch_norm.main([str(config), str(file), str(out)])
    assert not out.exists()
    absorb_batch_norm.main([str(config), str(file), str(out), '--keep-layers'])
    assert 'norm_eval=True' in capsys.readouterr().out
    kept = build_pretrainer(backbone).eval()
    load_pretrained_segmentor(kept, str(out))
    image = torch.randn(1, 1, 64, 64)
    for old, new in zip(model.backbone(image), kept.backbone(image)):
        torch.testing.assert_close(new, old, atol=1e-5, rtol=1e-4)


def test_nothing_is_written_where_statistics_were_never_gathered(tmp_path):
    config = write(build_pretrainer(), tmp_path, VGG)
    file, out = tmp_path / 'pretrained_segmentor.pth', tmp_path / 'out.pth'
    with pytest.raises(SystemExit, match=r'(?s)never gathered.*out.pth was not touched'):
        absorb_batch_norm.main([str(config), str(file), str(out)])
    assert not out.exists()


def test_a_backbone_without_normalisation_or_of_another_config_is_refused(pretrained, tmp_path):
    _, config, file = pretrained
    out = str(tmp_path / 'out.pth')
    absorb_batch_norm.main([str(config), str(file), out])
    plain = tmp_path / 'plain.py'
    plain.write_text(CONFIG.format(backbone=PLAIN))
    with pytest.raises(SystemExit, match='nothing to absorb'):
        absorb_batch_norm.main([str(plain), out, str(tmp_path / 'again.pth')])
    with pytest.raises(SystemExit, match='do not fit the backbone of the config'):
        absorb_batch_norm.main([str(plain), str(file), str(tmp_path / 'again.pth')])
    with pytest.raises(SystemExit, match='must end in .pth'):
        absorb_batch_norm.main([str(config), str(file), str(tmp_path / 'out.bin')])


def test_filters_for_color_see_a_photo_as_the_gray_ones_do(pretrained, tmp_path):
    model, _, file = pretrained
    out = tmp_path / 'rgb.pth'
    convert_first_layer.main([str(file), str(out), '--to', 'rgb'])
    color = segmentor(dict(VGG, in_channels=3))
    load_pretrained_segmentor(color, str(out))
    image = torch.randn(1, 3, 64, 64)
    old, new = model.backbone(image.mean(1, keepdim=True)), color.backbone(image)
    torch.testing.assert_close(new[1], old[1], atol=1e-5, rtol=1e-4)
    back = tmp_path / 'gray.pth'
    convert_first_layer.main(
        [str(out), str(back), '--to', 'gray', '--layer', 'backbone.conv1_1.conv']
    )
    key = 'backbone.conv1_1.conv.weight'
    torch.testing.assert_close(load_tensors(back)[0][key], load_tensors(file)[0][key])
    with pytest.raises(SystemExit, match=r'conv1_1.conv.weight of .*found \(4, 1, 3, 3\)'):
        convert_first_layer.main([str(file), str(out), '--to', 'gray'])
    with pytest.raises(SystemExit, match='--layer conv9: .* has no such convolution'):
        convert_first_layer.main([str(file), str(out), '--to', 'rgb', '--layer', 'conv9'])


def test_rebalanced_layers_have_unit_variance_on_the_photos(tmp_path):
    model = build_pretrainer(PLAIN).eval()
    config = write(model, tmp_path, PLAIN)
    photos = [str(write_photo(tmp_path / f'{i}.png', (48, 60), i)) for i in range(3)]
    file, out = str(tmp_path / 'pretrained_segmentor.pth'), str(tmp_path / 'out.pth')
    rebalance_layers.main([str(config), file, out, '--size', '64', '--photos', *photos])
    fresh = segmentor(PLAIN, data_preprocessor=dict(
        type='GraySegDataPreProcessor', mean=[114.45] * 3, std=[255.0] * 3, bgr_to_rgb=True, size_divisor=1,
    ))  # fmt: skip
    load_pretrained_segmentor(fresh, out)
    from mmengine.config import Config

    images = torch.cat([*rebalance_layers.read_photos(Config.fromfile(config), photos, 64, 1)])
    for tap, feature in zip(PLAIN['taps'], fresh.backbone(images)):
        if tap != 'data':
            assert float(feature.std(correction=0)) == pytest.approx(1, rel=1e-3)


def test_a_classifier_of_torchvision_becomes_the_backbone_of_gray_images(tmp_path):
    """Its layout is that of TappedVGG's own test of torchvision's names."""
    color = dict(PLAIN, in_channels=3)
    state = MODELS.build(color).state_dict()
    positions = dict(conv1_1=0, conv1_2=2, conv2_1=5, conv2_2=7, conv3_1=10, conv3_2=12, conv3_3=14,
                     conv4_1=17, conv4_2=19, conv4_3=21, conv5_1=24, conv5_2=26, conv5_3=28)  # fmt: skip
    places = {f'{k}.conv': f'features.{v}' for k, v in positions.items()}
    places |= {'fc6.conv': 'classifier.0', 'fc7.conv': 'classifier.3'}
    flat = {}
    for key, value in state.items():
        layer, _, kind = key.rpartition('.')
        flat[f'{places[layer]}.{kind}'] = (
            value.flatten(1) if 'fc' in key and value.dim() > 1 else value
        )
    torch.save({**flat, 'classifier.6.bias': torch.zeros(5)}, tmp_path / 'vgg16.pth')
    gray = str(tmp_path / 'gray.pth')
    convert_first_layer.main([str(tmp_path / 'vgg16.pth'), gray, '--to', 'gray'])
    photos = [str(write_photo(tmp_path / f'{i}.png', (48, 60), i)) for i in range(2)]
    config, out = write(build_pretrainer(PLAIN), tmp_path, PLAIN), str(tmp_path / 'out.pth')
    rebalance_layers.main([str(config), gray, out, '--size', '64', '--photos', *photos])
    fresh = MODELS.build(
        dict(PLAIN, init_cfg=dict(type='Pretrained', checkpoint=out, prefix='backbone.'))
    )
    fresh.init_weights()
    for layer in ('conv2_2', 'fc6'):
        ours, theirs = (w[f'{layer}.conv.weight'] for w in (fresh.state_dict(), state))
        ratio = ours / theirs
        torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio), rtol=1e-3, atol=0)
    first = fresh.state_dict()['conv1_1.conv.weight']
    summed = state['conv1_1.conv.weight'].sum(1, keepdim=True)
    torch.testing.assert_close(
        first / summed, (first / summed).mean().expand_as(first), rtol=1e-3, atol=0
    )
