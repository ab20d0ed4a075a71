import json
import subprocess
import sys

import pytest
import torch
from denoising_models import build_pretrainer, build_stock, photos, samples, stock_model_config
from mmengine.config import Config
from mmengine.runner.checkpoint import load_checkpoint
from mmseg.registry import MODELS
from torch import nn

from labelenc_mm.handover.artefact import ArtefactError
from labelenc_mm.pretraining.pretrained_segmentor import load_pretrained_segmentor

SIZE = (64, 64)


def leave(model, path, **metainfo):
    """Write what a pretrainer leaves."""
    leaves = model.leaves(metainfo)
    leaves.kind.save(path, model.state_dict(), leaves.metadata)
    return str(path)


@pytest.fixture
def said(monkeypatch):
    """Lines of the log."""
    lines = []
    name = 'labelenc_mm.pretraining.pretrained_segmentor.print_log'
    monkeypatch.setattr(name, lambda text, *args: lines.append(text))
    return lines


@pytest.fixture
def pretrainer():
    """One whose weights and statistics are not those of a fresh model."""
    model = build_pretrainer('UPerNet')
    model.train()
    model.loss(photos(2, SIZE), samples(2, SIZE))
    return model


@pytest.fixture
def path(pretrainer, tmp_path):
    return leave(pretrainer, tmp_path / 'pretrained_segmentor.pth', photos=12)


def test_the_stock_toolbox_takes_the_file(pretrainer, path):
    """In a process that does not know this package; all but classifier and auxiliary head come from it."""
    content = torch.load(path, weights_only=True)
    config = Config(dict(model=stock_model_config('UPerNet')))
    code = (
        'import sys, torch\n'
        'from mmengine.config import Config\n'
        'from mmengine.model import revert_sync_batchnorm\n'
        'from mmengine.runner.checkpoint import load_checkpoint\n'
        'from mmseg.registry import MODELS\n'
        'from mmengine.registry import init_default_scope\n'
        "init_default_scope('mmseg')\n"
        "config = Config.fromstring(sys.argv[2], '.py')\n"
        'model = revert_sync_batchnorm(MODELS.build(config.model))\n'
        'load_checkpoint(model, sys.argv[1])\n'
        "left = torch.load(sys.argv[1], weights_only=True)['state_dict']\n"
        'state = model.state_dict()\n'
        'assert all(torch.equal(state[k], v) for k, v in left.items())\n'
        'print(sorted({k.rpartition(".")[0] for k in state if k not in left}))\n'
        "assert 'labelenc_mm' not in sys.modules\n"
    )
    done = subprocess.run(
        [sys.executable, '-c', code, path, config.pretty_text], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    fresh = done.stdout.splitlines()[-1]
    assert fresh.startswith("['auxiliary_head.") and "'decode_head.conv_seg'" in fresh
    assert 'backbone' not in fresh
    state = pretrainer.state_dict()
    assert all(torch.equal(state[key], value) for key, value in content['state_dict'].items())


def test_the_metadata_say_what_it_comes_from(path):
    with open(path.replace('.pth', '.json'), encoding='utf-8') as file:
        metadata = json.load(file)
    assert metadata == torch.load(path, weights_only=True)['meta']['labelenc_mm']
    assert metadata['method'] == 'denoising'
    assert metadata['target'] == 'noise'
    assert metadata['corruption']['gamma'] == 0.95
    assert metadata['encoder'] == ['backbone']
    assert metadata['photos'] == 12


def test_a_segmentor_starts_from_it(pretrainer, path, said):
    model = build_stock('UPerNet')
    before = {k: v.clone() for k, v in model.state_dict().items()}
    load_pretrained_segmentor(model, path, target='noise')
    ours = pretrainer.state_dict()
    for key, value in model.state_dict().items():
        fresh = key.startswith(('auxiliary_head.', 'decode_head.conv_seg.'))
        assert torch.equal(value, before[key] if fresh else ours[key]), key
    assert said[-1].endswith('fresh: decode_head.conv_seg, auxiliary_head')


def test_norm_statistics_of_the_decoder_may_start_anew(pretrainer, path):
    model = build_stock('UPerNet')
    load_pretrained_segmentor(model, path, reset_norm_statistics=True)
    ours = pretrainer.state_dict()
    seen = set()
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and not name.startswith(
            'auxiliary_head'
        ):
            is_encoder = name.startswith('backbone')
            expected = ours[f'{name}.running_mean'] if is_encoder else torch.zeros(())
            assert torch.equal(module.running_mean, expected.expand_as(module.running_mean)), name
            torch.testing.assert_close(module.weight.data, ours[f'{name}.weight'])
            seen.add(is_encoder)
    assert seen == {True, False}


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(decode_head=dict(channels=24)), r'decode_head.bottleneck.conv.weight: shape'),
        (dict(backbone=dict(depth=34)), r'backbone.layer1.2.conv1.weight: missing in the file'),
        (
            dict(decode_head=dict(type='FCNHead', in_channels=64, in_index=3, channels=16)),
            'decode_head.lateral_convs.0.conv.weight: only in the file',
        ),
    ],
)
def test_another_network_is_refused_with_all_differences(path, changes, message):
    config = Config(dict(model=stock_model_config('UPerNet')))
    if 'type' in changes.get('decode_head', {}):
        changes['decode_head'] = dict(
            changes['decode_head'], num_classes=5, _delete_=True, norm_cfg=dict(type='BN')
        )
    config.merge_from_dict(dict(model=changes))
    model = MODELS.build(config.model)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    with pytest.raises(ArtefactError, match=f'does not fit this segmentor(.|\n)*{message}'):
        load_pretrained_segmentor(model, path)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_another_target_is_refused(path):
    with pytest.raises(ArtefactError, match='target: "image" here, "noise" in the file'):
        load_pretrained_segmentor(build_stock('UPerNet'), path, target='image')


def test_other_files_are_refused(tmp_path, pretrainer):
    model = build_stock('UPerNet')
    with pytest.raises(FileNotFoundError, match='Pretrain it first'):
        load_pretrained_segmentor(model, str(tmp_path / 'none.pth'))
    plain = tmp_path / 'epoch_1.pth'
    torch.save(dict(state_dict=pretrainer.state_dict(), meta={}), plain)
    with pytest.raises(ArtefactError, match='was not written by labelenc_mm'):
        load_pretrained_segmentor(model, str(plain))
    damaged = tmp_path / 'damaged.pth'
    damaged.write_bytes(plain.read_bytes()[:1000])
    with pytest.raises(ArtefactError, match=r'damaged\.pth'):
        load_pretrained_segmentor(model, str(damaged))


def test_the_plain_loader_of_mmengine_reads_it(path):
    model = build_stock('UPerNet')
    load_checkpoint(model, path)
    state = torch.load(path, weights_only=True)['state_dict']
    assert all(torch.equal(model.state_dict()[key], value) for key, value in state.items())


def test_of_a_cascade_the_stage_is_left_and_the_rest_is_fresh(tmp_path, said):
    """A stage of two; the one behind it starts fresh, like all classifiers."""
    config = stock_model_config('FCN')
    head = dict(config.decode_head)
    other = dict(head, type='FCNHead', in_channels=32, in_index=2)
    config.decode_head = [other, head]
    pretrainer = build_pretrainer(config, head=0)
    path = leave(pretrainer, tmp_path / 'pretrained_segmentor.pth')
    names = {key.rsplit('.', 1)[0] for key in torch.load(path, weights_only=True)['state_dict']}
    assert any(name.startswith('decode_head.0.convs') for name in names)
    assert not any('conv_seg' in name or name.startswith('decode_head.1') for name in names)
    config.update(type='CascadeEncoderDecoder', num_stages=2)
    cascade = MODELS.build(config)
    load_pretrained_segmentor(cascade, path)
    assert said[-1].endswith('fresh: decode_head.0.conv_seg, decode_head.1, auxiliary_head')
    with pytest.raises(ArtefactError, match='the file is of a cascade'):
        load_pretrained_segmentor(build_stock('FCN'), path)
