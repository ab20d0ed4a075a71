"""Every config of DDeP: what it says beside the others, and two iterations, fine-tuning after pretraining.

Only what no test can have is exchanged: photos and labelled images (a few generated ones, where the config
looks for them), sizes and widths, addresses of weights, and the length of the training.
"""

import copy
import json
import re
import shlex
from argparse import ArgumentParser
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import torch
from denoising_models import KINDS, build_stock
from denoising_models import samples as photo_samples
from label_map_files import innermost, write_label_maps
from mmengine.config import Config, DictAction
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmseg.registry import HOOKS, MODELS
from paper_configs import distinct_models, names_of_the_paper, without_gradient
from photo_files import write_photos
from segmentation_models import random_maps, samples
from segmentation_training import last_metrics
from training_runs import ROOT, differing, run_script, shared_folder, train, weights

import labelenc_mm
from labelenc_mm.recipes import make_plan, read_recipe

FOLDER = 'ddep'
FOUND = {f'voc12/{path.name}' for path in (ROOT / 'configs' / FOLDER / 'voc12').glob('*.py')}
WITH_LABEL_DECODER = sorted(name for name in FOUND if 'label-' in name)
CLASSIFIER = 'voc12/classifier_efficientnet-lite0_1xb16-60e_voc12-64x64.py'
SMALL = FOUND - {*WITH_LABEL_DECODER, CLASSIFIER}
PAPER = sorted(names_of_the_paper(FOLDER))
NAMES = sorted({*PAPER, *SMALL})
BY_STEM = {Path(name).stem: name for name in NAMES}
SIDE = 64
NUM_PHOTOS = 4
ARTEFACT = 'pretrained_segmentor.pth'


@cache
def parsed(name):
    return Config.fromfile(labelenc_mm.config(f'{FOLDER}/{name}'))


def is_pretraining(name):
    return parsed(name).model.type == 'DenoisingDecoderPretrainer'


PRETRAININGS = [name for name in PAPER if is_pretraining(name)]
FINE_TUNINGS = [name for name in PAPER if not is_pretraining(name)]
STOCK = {
    'PSPNet': 'ddep_pspnet_r50-d8_8xb64-100e_in1k-224x224.py',
    'UPerNet': 'ddep_upernet_r50_8xb64-100e_in1k-224x224.py',
    'SegFormer': 'ddep_segformer_mit-b0_8xb64-100e_in1k-224x224.py',
}


def taken_by(name):
    """The file that a fine-tuning starts from, None if there is none."""
    hooks = parsed(name).get('custom_hooks', [])
    files = [hook.checkpoint for hook in hooks if hook.type == 'LoadPretrainedSegmentor']
    return files[0] if files else None


TAKING = [name for name in NAMES if taken_by(name)]


def plain(value):
    """As nested built-in types, without mmengine's notes on where a part comes from."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items() if key != '_scope_'}
    return [plain(each) for each in value] if isinstance(value, list | tuple) else value


def flat(value, path=''):
    """Leaves of nested dicts and lists by dotted key."""
    if not isinstance(value, dict | list) or not value:
        return {path: value}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return {k: v for key, each in items for k, v in flat(each, f'{path}.{key}'.strip('.')).items()}


MISSING = '(missing)'
# Configs have names of their own for what they use twice.
VARIABLES = {'root', 'size', 'pretrained', 'checkpoint', 'crop_size'}


def differences(name, other):
    """What a config says in place of another one, by dotted key."""
    ours, theirs = (flat(plain(parsed(each).to_dict())) for each in (name, other))
    return {
        key: ours.get(key, MISSING)
        for key in ours.keys() | theirs.keys()
        if ours.get(key, MISSING) != theirs.get(key, MISSING) and key not in VARIABLES
    }


# What the names of pretrainings promise: method, noise, network, length and photos.
PRETRAINING = re.compile(
    r'(?P<method>ddep|dep)(?P<form>-simple)?(?P<target>-image)?(-gamma-(?P<range>[\d.]+-[\d.]+))?'
    r'_(?P<net>[\w-]+?)(-(?P<width>[23])x)?_8xb64-(?P<epochs>\d+)e_(?P<photos>\w+)-224x224\.py'
)
ROOTS = {
    'in21k': 'data/imagenet21k/',
    'in1k': 'data/imagenet/',
    'voc12': 'data/VOCdevkit/VOC2012/',
    'ade20k': 'data/ade/ADEChallengeData2016/',
    'cityscapes': 'data/cityscapes/leftImg8bit/',
}
MAIN = 'ddep_transunet_8xb64-100e_in21k-224x224.py'


@pytest.mark.parametrize('name', [n for n in PRETRAININGS if '_transunet' in n])
def test_pretraining_differs_from_the_main_one_in_what_its_name_says(name):
    said = PRETRAINING.fullmatch(name).groupdict()
    expected = {}
    if said['method'] == 'dep':  # the whole network, from nothing
        expected['model.encoder'] = []
        start = flat(plain(parsed(MAIN).model.backbone.init_cfg.to_dict()))
        expected |= {f'model.backbone.init_cfg.{key}': MISSING for key in start}
    if said['form']:
        expected['model.corruption.form'] = 'simple'
        if said['method'] == 'dep':
            expected['model.corruption.sigma'] = 0.8
    if said['range']:
        low, high = map(float, said['range'].split('-'))
        expected |= {'model.corruption.gamma.0': low, 'model.corruption.gamma.1': high}
        expected['model.corruption.gamma'] = MISSING
    if said['target']:
        expected['model.target'] = 'image'
    if said['width']:
        expected['model.decode_head.width_mult'] = int(said['width'])
        if said['width'] == '2':
            expected['optim_wrapper.optimizer.lr'] = 1e-4
    found = differences(name, MAIN)
    photos = {key: found.pop(key) for key in list(found) if '_dataloader.dataset.' in key}
    assert bool(photos) == (said['photos'] != 'in21k')
    if said['method'] == 'dep' and said['form']:
        assert found.pop('model.corruption.gamma') in (None, MISSING)
    if said['epochs'] != '100':
        epochs = int(said['epochs'])
        for key in ('train_cfg.max_epochs', 'param_scheduler.0.end', 'param_scheduler.0.T_max'):
            expected[key] = epochs
        expected |= {'train_cfg.val_interval': 100, 'default_hooks.checkpoint.interval': 100}
    assert found == expected


@pytest.mark.parametrize('name', PRETRAININGS)
def test_photos_are_those_of_the_name_and_validation_holds_others(name):
    config = parsed(name)
    root = ROOTS[PRETRAINING.fullmatch(name)['photos']]
    seen = [innermost(config[f'{part}_dataloader'].dataset) for part in ('train', 'val', 'test')]
    assert {(each.type, each.data_root) for part in seen for each in part} == {
        ('PhotoDataset', root)
    }
    train_photos, val_photos, test_photos = (
        {
            (each.get('ann_file', ''), each.get('data_prefix', {}).get('img_path', ''))
            for each in part
        }
        for part in seen
    )
    assert val_photos == test_photos and not train_photos & val_photos
    assert len(train_photos) == (2 if 'cityscapes' in root else 1)  # fine and coarse
    for part, steps in zip(
        ('train', 'val'), (['JointRandomResizedCrop', 'RandomFlip'], ['Resize'])
    ):
        for each in innermost(config[f'{part}_dataloader'].dataset):
            kinds = [step.type for step in each.pipeline]
            assert kinds == ['LoadPhoto', *steps, 'PackPhotos']
            assert [step.scale for step in each.pipeline if 'scale' in step] == [(224, 224)]


# Rows of the paper: widths, rate, form and level of the noise, target, what is frozen, and epochs (sec. 4.2,
# 4.4, 5.1, Tables 1 and 2).
SCALED, SIMPLE = ('scaled', 'gamma', 0.95), ('simple', 'sigma', 0.8)
RATES = {
    'ddep_transunet_8xb64-100e_in21k': (1, 6e-5, SCALED, 'noise', ('backbone',), 100),
    'ddep_transunet-2x_8xb64-100e_in21k': (2, 1e-4, SCALED, 'noise', ('backbone',), 100),
    'ddep_transunet-3x_8xb64-100e_in21k': (3, 6e-5, SCALED, 'noise', ('backbone',), 100),
    'ddep_unet_r50_8xb64-100e_in21k': (1, 6e-5, SCALED, 'noise', ('backbone',), 100),
    'dep_transunet_8xb64-6000e_cityscapes': (1, 6e-5, SCALED, 'noise', (), 6000),
    'dep-simple_transunet_8xb64-6000e_cityscapes': (1, 6e-5, SIMPLE, 'noise', (), 6000),
    'dep-simple-image_transunet_8xb64-100e_cityscapes': (1, 6e-5, SIMPLE, 'image', (), 100),
}


@pytest.mark.parametrize('stem', RATES)
def test_pretraining_is_that_of_the_paper(stem):
    width, rate, (form, level, value), target, encoder, epochs = RATES[stem]
    config = parsed(f'{stem}-224x224.py')
    assert config.optim_wrapper.optimizer == dict(type='Adam', lr=rate)
    assert config.train_dataloader.batch_size * 8 == config.auto_scale_lr.base_batch_size == 512
    (schedule,) = config.param_scheduler
    assert schedule.type == 'CosineAnnealingLR' and not schedule.get('eta_min')
    assert schedule.T_max == schedule.end == config.train_cfg.max_epochs == epochs
    model = built(f'{stem}-224x224.py')
    widths = [block.conv2.conv.out_channels for block in model.decode_head.blocks]
    assert widths == [width * 8 for _ in widths]  # of the tiny model
    noise = model.corruption.describe()
    assert (noise['form'], noise[level], model.target, model.encoder) == (
        form,
        value,
        target,
        encoder,
    )


DATA = {  # iterations, images a step, classes, crop (sec. 5.1)
    'cityscapes-1024x1024': (40_000, 8, 19, 1024),
    'pascal-context-59-512x512': (80_000, 16, 59, 512),
    'ade20k-512x512': (160_000, 16, 150, 512),
}


@pytest.mark.parametrize('name', FINE_TUNINGS)
def test_fine_tuning_is_that_of_the_paper(name):
    config = parsed(name)
    iterations, images, classes, crop = DATA[Path(name).stem.rpartition('_')[2]]
    (schedule,) = config.param_scheduler
    assert schedule.type == 'CosineAnnealingLR' and not schedule.by_epoch
    assert schedule.end == schedule.T_max == config.train_cfg.max_iters == iterations
    gpus, batch = map(int, re.search(r'_(\d)xb(\d)-', name).groups())
    assert config.train_dataloader.batch_size == batch
    assert gpus * batch == config.auto_scale_lr.base_batch_size == images
    optimizer = config.optim_wrapper.optimizer
    assert optimizer.type == 'Adam'
    assert all(1e-5 <= optimizer[key] <= 3e-4 for key in ('lr', 'weight_decay'))
    assert config.model.decode_head.num_classes == classes
    assert config.model.data_preprocessor.size == config.data_preprocessor.size == (crop, crop)
    (cropping,) = [s for s in config.train_dataloader.dataset.pipeline if s.type == 'RandomCrop']
    assert cropping.crop_size == (crop, crop)
    tiles = dict(mode='slide', crop_size=(1024, 1024), stride=(1024, 1024))
    assert config.model.test_cfg == (tiles if crop == 1024 else dict(mode='whole'))


STARTS = ('_in21k-pre', '_in1k-pre', '_ddep', '_dep')


@pytest.mark.parametrize('name', FINE_TUNINGS)
def test_fine_tuning_differs_from_that_without_pretraining_in_its_start_alone(name):
    start = next((each for each in STARTS if f'{each}_' in name), '')
    width = re.search(r'-([23])x', name)
    found = differences(name, re.sub('-[23]x', '', name.replace(f'{start}_', '_', 1)))
    if width:
        assert found.pop('model.decode_head.width_mult') == int(width[1])
    backbone = 'model.backbone.backbone' if 'unet_r50' in name else 'model.backbone'
    weights = {f'{backbone}.init_cfg{key}' for key in ('', '.type', '.checkpoint')}
    taken = {f'custom_hooks.0.{key}' for key in ('type', 'checkpoint')}
    if start == '_ddep':  # another target is refused
        assert found['custom_hooks.0.target'] == 'noise'
        taken.add('custom_hooks.0.target')
    expected = {'': set(), '_in1k-pre': weights, '_in21k-pre': weights}.get(start, taken)
    assert found.keys() - {'custom_hooks'} == expected


def test_fine_tunings_are_the_rows_of_the_tables():
    """Figures 6 and 7, Tables 6 and 7: none, supervised and DDeP each, DeP on Cityscapes at 1x."""
    found = {
        Path(name).stem.rsplit('_', 2)[0] + '_' + data
        for name in FINE_TUNINGS
        for data in DATA
        if data in name
    }
    rows = {'transunet_cityscapes', 'transunet-2x_cityscapes'}
    rows |= {f'transunet{width}_{data}' for width in ('', '-3x') for data in ('pascal', 'ade20k')}
    expected = {
        f'{net}{start}_{data}'
        for net, data in (row.split('_') for row in rows)
        for start in ('', '_in21k-pre', '_ddep')
    }
    expected |= {f'unet_r50{start}_pascal' for start in ('', '_in1k-pre', '_ddep')}
    assert {re.sub('-(context-59-)?[0-9x]+$', '', each) for each in found} == expected | {
        'transunet_dep_cityscapes'
    }


@pytest.mark.parametrize('name', TAKING)
def test_fine_tuning_takes_what_its_pretraining_leaves(name):
    """The same network, and images prepared alike."""
    file = Path(taken_by(name))
    assert file.name == ARTEFACT
    theirs, ours = parsed(BY_STEM[file.parent.name]), parsed(name)
    for part, free in (('backbone', ()), ('decode_head', ('num_classes',))):
        both = [
            {
                k: v
                for k, v in flat(plain(c.model[part].to_dict())).items()
                if k not in free and 'init_cfg' not in k
            }
            for c in (theirs, ours)
        ]
        assert both[0] == both[1]
    for key in ('mean', 'std', 'bgr_to_rgb'):
        assert theirs.model.data_preprocessor[key] == ours.model.data_preprocessor[key]


@pytest.mark.parametrize('name', STOCK.values())
def test_children_of_stock_configs_are_short(name):
    text = (ROOT / 'configs' / FOLDER / name).read_text()
    assert len(text.splitlines()) <= 15
    assert "'mmseg::_base_/models/" in text


def shrink_model(model):
    """The same kinds of layers, as few and as narrow as they may be."""
    if model.get('pretrained'):
        model.pretrained = None
    backbone, head = model.backbone, model.decode_head
    backbone.pop('init_cfg', None)
    if backbone.type == 'HybridViT':
        backbone.update(
            img_size=SIDE,
            base_channels=32,
            block_units=(1, 1, 1),
            embed_dims=32,
            num_layers=1,
            num_heads=2,
        )
        head.update(in_channels=[32, 128, 256, 32], channels_list=[8] * 5)
    elif backbone.type == 'TappedBackbone':
        backbone.backbone.update(depth=18, base_channels=8, stem_channels=8, init_cfg=None)
        head.update(in_channels=[8, 8, 16, 32, 64], channels_list=[8] * 5)
    elif backbone.type != 'EfficientNetLite':
        (kind,) = [k for k in STOCK if k.lower() in head.type.lower() or k[:3] == head.type[:3]]
        changes = copy.deepcopy(KINDS[kind][1])
        for part, options in changes.items():
            model[part].update(options)


def shrink_pipeline(steps):
    for step in steps:
        if step.type == 'RandomCrop':
            step.crop_size = (SIDE, SIDE)
        elif 'scale' in step:
            step.scale = (2 * SIDE, SIDE) if step.get('keep_ratio') else (SIDE, SIDE)
        if 'reduce_to' in step:
            step.reduce_to = SIDE


def tiny_model(name):
    model = copy.deepcopy(parsed(name)).model
    shrink_model(model)
    if model.type == 'EncoderDecoder':
        model.data_preprocessor.size = (SIDE, SIDE)
    if model.test_cfg.mode == 'slide':
        model.test_cfg.update(crop_size=(SIDE, SIDE), stride=(SIDE, SIDE))
    return model


@cache
def built(name):
    init_default_scope('mmseg')
    model = revert_sync_batchnorm(MODELS.build(tiny_model(name)))
    model.init_weights()
    return model.train()


@pytest.mark.parametrize(
    'name', distinct_models({name: parsed(name) for name in NAMES if not taken_by(name)})
)
def test_several_processes_find_a_gradient_of_every_parameter(name):
    model = built(name)
    images = torch.randn(2, 3, SIDE, SIDE)
    if is_pretraining(name):
        data = photo_samples(2, (SIDE, SIDE))
    else:
        data = samples(random_maps(2, size=(SIDE, SIDE)))
    losses = model(images, data, mode='loss')
    assert without_gradient(model, losses) == []


def write_photo_files(dataset):
    """Photos where a PhotoDataset looks for them, in a list or a folder; sets the root."""
    root = shared_folder() / 'photos of ddep' / dataset.data_root.strip('/').replace('/', '_')
    listed, folder = dataset.get('ann_file'), dataset.get('data_prefix', {}).get('img_path', '')
    names = write_photos(root / folder, NUM_PHOTOS, (72, 96))
    if listed:
        (root / listed).write_text('\n'.join(names))
    dataset.data_root = f'{root}/'


def tiny(name):
    """The config for tiny data and two iterations, as a file."""
    config = copy.deepcopy(parsed(name))
    config.model = tiny_model(name)
    if 'data_preprocessor' in config and not is_pretraining(name):
        config.data_preprocessor.size = (SIDE, SIDE)
    for part in ('train', 'val', 'test'):
        loader = config[f'{part}_dataloader']
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        for dataset in innermost(loader.dataset):
            if dataset.type == 'PhotoDataset':
                write_photo_files(dataset)
            else:
                write_label_maps(dataset, shared_folder() / 'data of ddep')
            shrink_pipeline(dataset.pipeline)
    if is_pretraining(name):
        config.train_cfg.update(max_epochs=1, val_interval=1)
    else:
        config.train_cfg.update(max_iters=2, val_interval=2)
    (schedule,) = config.param_scheduler
    schedule.end = schedule.T_max = 1 if schedule.by_epoch else 2
    if taken_by(name):
        source = BY_STEM[Path(taken_by(name)).parent.name]
        config.custom_hooks[0].checkpoint = str(finished(source).work_dir / ARTEFACT)
    config.default_hooks.logger.interval = 1
    config.default_hooks.checkpoint.update(
        interval=1 if is_pretraining(name) else 2, save_optimizer=False
    )
    path = shared_folder() / 'configs' / FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    config.dump(path)
    return path


@cache
def finished(name):
    """The tiny training of a config, run once."""
    return train(tiny(name), shared_folder() / 'runs' / FOLDER / name)


# One of each kind; all of them take many minutes.
QUICK = {
    MAIN,
    'dep-simple-image_transunet_8xb64-100e_cityscapes-224x224.py',
    'transunet_ddep_4xb2-40k_cityscapes-1024x1024.py',
    'unet_r50_4xb4-80k_pascal-context-59-512x512.py',
    STOCK['SegFormer'],
}


@pytest.mark.parametrize(
    'name', [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in NAMES]
)
def test_config_trains(name):
    run = finished(name)
    file = run.work_dir / ARTEFACT
    assert file.exists() == is_pretraining(name)
    if not is_pretraining(name):
        assert 'mIoU' in last_metrics(run)
        assert ('Segmentor loaded from' in run.output) == bool(taken_by(name))
        return
    assert any('denoising/mse' in entry for entry in run.scalars())
    metadata = json.loads(file.with_suffix('.json').read_text())
    assert (metadata['method'], metadata['target']) == ('denoising', built(name).target)
    assert metadata['encoder'] == list(built(name).encoder)
    is_whole = PRETRAINING.fullmatch(Path(name).name)
    if is_whole:
        assert metadata['encoder'] == ([] if is_whole['method'] == 'dep' else ['backbone'])


@pytest.mark.parametrize(
    'name',
    [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in TAKING],
)
def test_fine_tuning_begins_where_its_pretraining_ended(name):
    left = weights(finished(BY_STEM[Path(taken_by(name)).parent.name]).work_dir / ARTEFACT)
    end = weights(finished(name).work_dir / 'iter_2.pth')
    learned = [k for k, v in left.items() if v.dim() == 4]
    # Two steps of Adam move no weight further than about the sum of their rates.
    most = 3 * parsed(name).optim_wrapper.optimizer.lr
    assert learned and all((left[k] - end[k]).abs().max() < most for k in learned)


@pytest.mark.slow
def test_a_pretrained_decoder_and_a_frozen_label_decoder_in_one_training(tmp_path):
    (autoencoder, segmentor) = map(parsed, WITH_LABEL_DECODER)
    fresh, pretrained = (
        f'voc12/unet-narrow_efficientnet-lite0_{start}1xb16-600_voc12-64x64.py'
        for start in ('', 'ddep_')
    )
    config = Config.fromfile(tiny(fresh))
    config.model = copy.deepcopy(autoencoder.model)
    config.dump(tmp_path / 'autoencoder.py')
    code = train(tmp_path / 'autoencoder.py', tmp_path / 'autoencoder').work_dir
    config = Config.fromfile(tiny(pretrained))
    config.model = {
        **tiny_model(pretrained),
        **{key: copy.deepcopy(segmentor.model[key]) for key in ('type', 'label_structure')},
    }
    config.model.label_structure.init_from = str(code / 'label_autoencoder.safetensors')
    config.dump(tmp_path / 'both.py')
    run = train(tmp_path / 'both.py', tmp_path / 'both')
    assert 'Segmentor loaded from' in run.output and 'mIoU' in last_metrics(run)
    assert any(key == 'label_structure.loss_ce' for entry in run.scalars() for key in entry)
    exported = weights(run.work_dir / 'exported_segmentor.pth')
    assert exported and not any(key.startswith('label_structure') for key in exported)


@pytest.mark.slow
def test_an_encoder_of_image_classes_goes_into_the_segmentor(tmp_path):
    fresh = 'voc12/unet-narrow_efficientnet-lite0_1xb16-600_voc12-64x64.py'
    segmentor = Config.fromfile(tiny(fresh))
    labelled = segmentor.train_dataloader.dataset
    config = copy.deepcopy(parsed(CLASSIFIER))
    config.train_cfg.update(max_epochs=1, val_interval=1)
    config.default_hooks.checkpoint.interval = 1
    for part in ('train', 'val', 'test'):
        dataset = config[f'{part}_dataloader'].dataset
        dataset.data_root = str(labelled.data_root)
        dataset.ann_file = str(tmp_path / 'list.txt')
    images = sorted((Path(labelled.data_root) / 'images').iterdir())
    lines = [f'images/{path.name} {index % 20}' for index, path in enumerate(images)]
    (tmp_path / 'list.txt').write_text('\n'.join(lines) + '\n')
    config.dump(tmp_path / 'classifier.py')
    learned = train(tmp_path / 'classifier.py', tmp_path / 'classes').work_dir / 'epoch_1.pth'
    segmentor.model.backbone.init_cfg = dict(
        type='Pretrained', checkpoint=str(learned), prefix='backbone.'
    )
    init_default_scope('mmseg')
    model = MODELS.build(segmentor.model)
    model.init_weights()
    expected = {k: v for k, v in weights(learned).items() if k.startswith('backbone.')}
    assert expected and not differing(expected, {k: model.state_dict()[k] for k in expected})


@pytest.mark.parametrize(
    'kind', [pytest.param(k, marks=() if k == 'SegFormer' else pytest.mark.slow) for k in STOCK]
)
def test_stock_segmentor_takes_what_is_left_by_load_from(kind):
    left = weights(finished(STOCK[kind]).work_dir / ARTEFACT)
    missing, unexpected = build_stock(kind).load_state_dict(left, strict=False)
    assert unexpected == []
    assert all(key.startswith(('decode_head.conv_seg.', 'auxiliary_head.')) for key in missing)


def test_snapshot_is_exported_as_what_the_training_leaves(tmp_path):
    """Figure 3: any checkpoint of a pretraining serves a fine-tuning."""
    run = finished(MAIN)
    file = tmp_path / ARTEFACT
    export = ROOT / 'tools' / 'export.py'
    run_script(export, tiny(MAIN), run.work_dir / 'epoch_1.pth', file, work_dir=tmp_path / 'export')
    assert differing(weights(file), weights(run.work_dir / ARTEFACT)) == []


def options_of_the_readme():
    """The options without a config, each group as the command line has it."""
    text = (ROOT / 'configs' / FOLDER / 'README.md').read_text()
    section = text.partition('\n## Options that have no config\n')[2].partition('\n## ')[0]
    return re.findall('`([^`]+=[^`]+)`', section)


@pytest.mark.parametrize('line', options_of_the_readme())
def test_option_of_the_readme_is_taken(line):
    parser = ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    words = shlex.split(line)
    options = parser.parse_args(['--cfg-options', *words]).cfg_options
    is_of_photos = re.match(
        r'model\.(corruption|target|encoder|pretrained)|.*data_root|.*width_mult|.*init_cfg',
        words[0],
    )
    name = MAIN if is_of_photos else 'transunet_ddep_4xb4-80k_pascal-context-59-512x512.py'
    if 'backbone.backbone' in line:
        name = 'ddep_unet_r50_8xb64-100e_in21k-224x224.py'
    elif 'pretrained' in line:
        name = 'ddep_upernet_r50_8xb64-100e_in1k-224x224.py'
    config = copy.deepcopy(parsed(name))
    config.merge_from_dict(options)
    for key in options:
        if not key.startswith(('model.', 'custom_hooks.')):
            assert key in flat(plain(parsed(name).to_dict()))
    for hook in config.get('custom_hooks', []):
        HOOKS.build(hook)
    # All of the network then starts at random.
    if line.endswith(('init_cfg=None', 'pretrained=None')):
        assert 'checkpoint' not in str(config.model.backbone) and not config.model.get('pretrained')
    shrink_model(config.model)
    init_default_scope('mmseg')
    MODELS.build(config.model)


# Subsets of each number of labelled images, and runs with all (sec. 5.1).
SUBSETS = {
    'pascal-context': {4998: 10, 1000: 5, 500: 10, 250: 10, 50: 10},
    'cityscapes': {2975: 10, 744: 4, 372: 6, 100: 10},
    'ade20k': {20210: 10, 4042: 5, 2021: 10, 1010: 10, 202: 10},
}
RECIPES = ['table4', 'figure3', 'figure5', *(f'fractions_{data}' for data in SUBSETS)]


def fractions(data):
    return read_recipe(ROOT / 'configs' / FOLDER / f'fractions_{data}.yml')


@pytest.mark.parametrize('data', SUBSETS)
def test_recipe_has_as_many_subsets_as_the_paper(data):
    recipe = fractions(data)
    assert Counter(point['images'] for point in recipe.points) == SUBSETS[data]
    runs = make_plan(recipe, Path('/w'), ROOT / 'tools').runs.values()
    assert sum(run.stage.name == 'ddep_pretraining' for run in runs) == 1
    for stage in ('none', 'supervised', 'ddep'):
        trial = recipe.stages[stage].choose.trial
        assert all(1e-5 <= value <= 3e-4 for tried in trial.tries for value in tried.values())
        assert 'heldout' in trial.options['val_dataloader.dataset.ann_file']


@pytest.mark.parametrize('name', RECIPES)
def test_recipes_have_the_batches_of_the_paper_and_its_measure(name):
    recipe = read_recipe(ROOT / 'configs' / FOLDER / f'{name}.yml')
    gpus = 4
    for run in make_plan(recipe, Path('/w'), ROOT / 'tools').runs.values():
        if run.stage.kind == 'train':
            options = dict(each.split('=', 1) for each in run.option_strings())
            batch = gpus * int(options['train_dataloader.batch_size'])
            own = run.config_path().name
            of_labels = 8 if 'cityscapes' in own else 16
            assert batch == (512 if PRETRAINING.fullmatch(own) else of_labels), own
    shown = {row['stage'] for row in recipe.table['rows'].values()}
    assert all(recipe.stages[stage].tta for stage in shown)
    assert {stage for plot in recipe.plots for stage in plot['stages'].values()} <= shown


@pytest.mark.parametrize('data', SUBSETS)
def test_held_out_images_of_a_recipe_are_training_images(data):
    config = parsed(next(name for name in TAKING if data in name))
    folders = plain(config.train_dataloader.dataset.data_prefix.to_dict())
    held_out = plain(config.val_dataloader.dataset.data_prefix.to_dict())
    prefix = 'val_dataloader.dataset.data_prefix.'
    options = fractions(data).stages['ddep'].choose.trial.options
    held_out |= {k.removeprefix(prefix): v for k, v in options.items() if k.startswith(prefix)}
    assert held_out == folders
