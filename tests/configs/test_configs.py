"""Every config of LabelEnc as it is: parsed, built and trained for a few iterations, step 2 after step 1.

Only what no test can have is exchanged: the data set (a tiny one with the config's own classes), sizes
of images, pretrained weights and the number of epochs.
"""

import json
from functools import cache

import cv2
import numpy as np
import pytest
from mmdet.registry import DATASETS
from mmengine.config import Config
from training_runs import ENCODING, EXPORTED, ROOT, train

import labelenc_mm
from labelenc_mm.artefact import load_tensors

CONFIGS = ROOT / 'configs' / 'labelenc'
NAMES = sorted(
    path.relative_to(CONFIGS).as_posix()
    for path in CONFIGS.rglob('*.py')
    if '_base_' not in path.parts and 'step2' not in path.name
)
# R50 and 80 classes at full width: over a minute for both steps.
SLOW = {name for name in NAMES if name.endswith('_coco.py')}
SCALE = (128, 96)
NUM_IMAGES = 2


def parse(name):
    return Config.fromfile(labelenc_mm.config(f'labelenc/{name}'))


def step2_of(name):
    """The step-2 config that goes with a step-1 config."""
    stem = name.split('labelenc-step1')[0] + 'labelenc-step2'
    (path,) = (
        p for p in CONFIGS.rglob('*.py') if p.relative_to(CONFIGS).as_posix().startswith(stem)
    )
    return path.relative_to(CONFIGS).as_posix()


def innermost(dataset):
    while 'dataset' in dataset:
        dataset = dataset.dataset
    return dataset


def class_names(dataset):
    names = dataset.get('metainfo', {}).get('classes')
    return tuple(names or DATASETS.get(dataset.type).METAINFO['classes'])


@cache
def tiny_data(root, classes):
    """Images of noise with two boxes of masks each, in COCO's format, named after the classes."""
    rng = np.random.default_rng(0)
    width, height = SCALE
    (root / 'images').mkdir(parents=True)
    images, annotations = [], []
    for index in range(NUM_IMAGES):
        name = f'{index}.png'
        cv2.imwrite(str(root / 'images' / name), rng.integers(0, 256, (height, width, 3), np.uint8))
        images.append(dict(id=index, file_name=name, width=width, height=height))
        for left, top, side in ((4, 10, 30), (60, 30, 55)):
            corners = [left, top, left + side, top, left + side, top + side, left, top + side]
            annotations.append(
                dict(
                    id=len(annotations) + 1,
                    image_id=index,
                    category_id=int(rng.integers(len(classes))) + 1,
                    bbox=[left, top, side, side],
                    area=side * side,
                    iscrowd=0,
                    segmentation=[corners],
                )
            )
    categories = [dict(id=i, name=name) for i, name in enumerate(classes, 1)]
    content = dict(images=images, annotations=annotations, categories=categories)
    (root / 'all.json').write_text(json.dumps(content))
    return root


def shrink(node):
    """Resize to the size of the tiny images wherever a pipeline resizes."""
    if isinstance(node, dict):
        if node.get('type') in ('Resize', 'RandomResize', 'RandomChoiceResize') and 'scale' in node:
            node['scale'] = SCALE
        if node.get('type') == 'RandomChoiceResize':
            node['scales'] = [SCALE]
        for value in node.values():
            shrink(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            shrink(value)


def tiny(name, folder, **labelenc):
    """Write the config for the tiny data set, one iteration an epoch."""
    config = parse(name)
    config.model.backbone.init_cfg = None
    if 'labelenc' in config.model:
        config.model.labelenc.update(labelenc)
    classes = class_names(innermost(config.train_dataloader.dataset))
    data = tiny_data(folder.parent / f'data of {len(classes)} classes', classes)
    for part in ('train', 'val', 'test'):
        loader = config[f'{part}_dataloader']
        shrink(loader)
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        innermost(loader.dataset).update(
            data_root=str(data), ann_file='all.json', data_prefix=dict(img='images/')
        )
        if part != 'train':
            config[f'{part}_evaluator'].ann_file = str(data / 'all.json')
    config.train_cfg.update(max_epochs=3, val_interval=3)
    folder.mkdir()
    config.dump(folder / 'config.py')
    return folder / 'config.py'


def scalars(run):
    return [entry for entry in run.scalars() if 'loss' in entry]


@pytest.mark.parametrize(
    'name', [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in NAMES]
)
def test_config_trains(name, tmp_path):
    every = 'default_hooks.logger.interval=1'
    run = train(tiny(name, tmp_path / '1'), tmp_path / 'run', every, timeout=600)
    assert 'Epoch(val) [3]' in run.output
    if 'step1' not in name:
        assert not (tmp_path / 'run' / ENCODING).exists()
        return
    assert 'loss_labelenc' not in scalars(run)[0]  # after a quarter of three iterations: the second
    assert 'loss_labelenc' in scalars(run)[1]
    assert 'Reconstruction: head(label features)' in run.output
    _, metadata = load_tensors(tmp_path / 'run' / ENCODING)
    assert metadata['label_source'] == ('mask' if 'mask-rcnn' in name else 'box')

    second = tiny(step2_of(name), tmp_path / '2', init_from=str(tmp_path / 'run' / ENCODING))
    run = train(second, tmp_path / 'run2', every, timeout=600)
    assert 'loss_labelenc' in scalars(run)[0]
    assert (tmp_path / 'run2' / EXPORTED).exists()


@pytest.mark.parametrize('name', [name for name in NAMES if 'step1' in name])
def test_steps_and_paths_fit_together(name):
    """Without a data set or a training: step 2 of a config loads what its step 1 leaves."""
    step1, step2 = parse(name), parse(step2_of(name))
    stem = name.split('/')[-1].removesuffix('.py')
    folder = 'demo/step1-seed=0' if name.startswith('demo/') else stem  # the demo is a recipe
    assert step2.model.labelenc.init_from == f'work_dirs/{folder}/{ENCODING}'
    assert (step1.model.labelenc.stage, step2.model.labelenc.stage) == ('autoencode', 'supervise')
    assert step1.model.type == step2.model.type
    for key in ('neck', 'bbox_head', 'roi_head', 'rpn_head', 'backbone'):
        assert step1.model.get(key) == step2.model.get(key)
    # Step 1 is longer by what passes before the distance counts (LabelEnc, sec. 4.1: 120k and 90k).
    assert step1.train_cfg.max_epochs * 3 == step2.train_cfg.max_epochs * 4
    for config in (step1, step2):
        assert config.default_hooks.reseed.type == 'ReseedHook'
        assert config.default_hooks.labelenc.type == 'LabelEncHook'
        assert config.default_hooks.checkpoint.type == 'CheckpointHook'
        assert config.model_wrapper_cfg.find_unused_parameters
        assert 'labelenc_mm' in config.custom_imports.imports
