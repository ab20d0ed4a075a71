"""The configs of docs/your_data_segmentation.md, trained for a few iterations on 11 classes with void 11."""

import re

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from PIL import Image
from training_runs import ROOT, train, weights

from labelenc_mm.handover.artefact import load_tensors

PAGE = (ROOT / 'docs' / 'your_data_segmentation.md').read_text('utf-8')
BLOCKS = {
    re.match(r'# (\w+\.py)', block)[1]: block
    for block in re.findall(r'^```python\n(.*?)^```', PAGE, re.M | re.S)
}
NUM_CLASSES = VOID = 11
SHORT = ['train_cfg.max_iters=2', 'train_cfg.val_interval=2', 'train_dataloader.batch_size=2']
SMALL = {
    'model.pretrained': None,
    'model.backbone.depth': 18,
    'model.backbone.base_channels': 8,
    'model.backbone.stem_channels': 8,
    'model.decode_head.in_channels': 64,
    'model.decode_head.channels': 16,
    'model.auxiliary_head.in_channels': 32,
    'model.auxiliary_head.channels': 8,
}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """The configs of the page, and a data set as they expect it: blocks of all labels, some void."""
    folder = tmp_path_factory.mktemp('page')
    for name, block in BLOCKS.items():
        (folder / name).write_text(block)
    generator = np.random.default_rng(0)
    colours = generator.integers(0, 256, (VOID + 1, 3))
    for split, count in (('train', 4), ('val', 2)):
        for kind in ('images', 'labels'):
            (folder / 'data' / kind / split).mkdir(parents=True)
        for index in range(count):
            labels = generator.integers(0, VOID + 1, (6, 8)).repeat(12, 0).repeat(12, 1)
            image = colours[labels] + generator.integers(-20, 21, (*labels.shape, 3))
            name = f'{split}/{index}.png'
            Image.fromarray(labels.astype(np.uint8)).save(folder / 'data' / 'labels' / name)
            pixels = image.clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / 'data' / 'images' / name)
    return folder


def run(folder, name, *options, **keywords):
    """Train a config of the page, made shorter and its segmentor smaller."""
    splits = [f'{split}_dataloader' for split in ('train', 'val', 'test')]
    data = [f'{split}.dataset.data_root={folder / "data"}' for split in splits]
    workers = [f'{split}.num_workers=0' for split in splits]
    small = [] if name == 'autoencoder.py' else [f'{key}={value}' for key, value in SMALL.items()]
    work_dir = folder / f'{name}_{len(list(folder.iterdir()))}'
    return train(folder / name, work_dir, *data, *workers, *SHORT, *small, *options, **keywords)


@pytest.fixture(scope='module')
def autoencoder(folder):
    return run(folder, 'autoencoder.py')


def test_autoencoder_trains(autoencoder):
    assert 'no image is decoded; left out: PhotoMetricDistortion' in autoencoder.output
    assert 'it counts them' not in autoencoder.output
    metadata = load_tensors(autoencoder.work_dir / 'label_autoencoder.safetensors')[1]
    assert metadata['num_classes'] == len(metadata['classes']) == NUM_CLASSES
    assert metadata['channels'] == [32] * 5
    assert any('mIoU' in entry for entry in autoencoder.scalars())


def test_segmentor_trains_under_its_decoder_and_leaves_the_stock_one(folder, autoencoder):
    path = autoencoder.work_dir / 'label_autoencoder.safetensors'
    done = run(folder, 'segmentor_decoder.py', f'model.label_structure.init_from={path}')
    assert 'it counts them' not in done.output
    losses = [entry for entry in done.scalars() if 'label_structure.loss_ce' in entry]
    assert losses and all(np.isfinite(entry['loss']) for entry in losses)
    config = Config.fromfile(folder / 'segmentor.py')
    config.merge_from_dict(SMALL)
    init_default_scope('mmseg')
    stock = MODELS.build(config.model)
    stock.load_state_dict(weights(done.work_dir / 'exported_segmentor.pth'), strict=True)
    assert stock.decode_head.ignore_index == stock.auxiliary_head.ignore_index == VOID


def test_every_place_of_void_that_is_forgotten_is_found(folder, autoencoder):
    """As the table says; all of them at once."""
    options = {
        'model.data_preprocessor.seg_pad_val': 'data_preprocessor.seg_pad_val',
        'model.auxiliary_head.ignore_index': 'model.auxiliary_head.ignore_index',
        'train_dataloader.dataset.pipeline.3.seg_pad_val': 'seg_pad_val of the transform RandomRotate',
    }
    changed = [f'{option}=255' for option in options]
    done = run(folder, 'segmentor_decoder.py', *changed, expect=1)
    for key in options.values():
        assert f'{key} is 255: set it to 11' in done.output
    told = ['val_evaluator', 'train_dataloader.dataset.pipeline.4']
    done = run(folder, 'autoencoder.py', *(f'{option}.ignore_index=255' for option in told))
    for name in ('IoUMetric', 'RandomCrop'):
        assert f'{name}.ignore_index is 255, but void pixels have label 11' in done.output
