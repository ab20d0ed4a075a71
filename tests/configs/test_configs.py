"""Every config of LabelEnc as it is: parsed, built and trained for a few iterations, step 2 after step 1.

Only what no test can have is exchanged: the data set (a tiny one with the config's own classes), sizes
of images, pretrained weights and the number of epochs.
"""

import json
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from labelenc_configs import NAMES, ONE_RUN, STEP1, parse, parsed, step1_of
from mmdet.registry import DATASETS, MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from paper_configs import names_of_the_paper
from training_runs import ENCODING, EXPORTED, shared_folder, train

from labelenc_mm.handover.artefact import load_tensors
from labelenc_mm.toolbox.safe_loading import load_checkpoint_file

# Full width and tens of classes: most of a minute each. On EfficientNet-Lite0 one of each kind is quick.
LITE = {name for name in NAMES if 'efficientnet-lite0' in name and 'bccd/retinanet' not in name}
SLOW = names_of_the_paper('labelenc') | LITE
LEARNS = [*STEP1, *ONE_RUN]  # label encodings
SCALE = (128, 96)
NUM_IMAGES = 2
BOXES = ((4, 10, 30), (60, 30, 55))  # left, top, side


def innermost(dataset):
    """The data sets inside wrappers of one or of several."""
    inner = [dataset.dataset] if 'dataset' in dataset else dataset.get('datasets')
    if not inner:
        yield dataset
        return
    for each in inner:
        yield from innermost(each)


def class_names(dataset):
    names = dataset.get('metainfo', {}).get('classes')
    return tuple(names or DATASETS.get(dataset.type).METAINFO['classes'])


def noise(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(int(path.stem))
    cv2.imwrite(str(path), rng.integers(0, 256, (*SCALE[::-1], 3), np.uint8))


@cache
def tiny_coco(root, classes):
    """Images of noise with two boxes of masks each, in the format of COCO and LVIS."""
    rng = np.random.default_rng(0)
    width, height = SCALE
    images, annotations = [], []
    for index in range(NUM_IMAGES):
        noise(root / 'images' / f'{index}.png')
        images.append(
            dict(
                id=index,
                file_name=f'{index}.png',
                coco_url=f'http://images.cocodataset.org/images/{index}.png',
                width=width,
                height=height,
                neg_category_ids=[],
                not_exhaustive_category_ids=[],
            )
        )
        for left, top, side in BOXES:
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
    categories = [dict(id=i, name=name, frequency='f') for i, name in enumerate(classes, 1)]
    content = dict(images=images, annotations=annotations, categories=categories)
    (root / 'all.json').write_text(json.dumps(content))
    return root


OBJECT = """<object><name>{name}</name><difficult>0</difficult><bndbox>
<xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax></bndbox></object>"""


@cache
def tiny_voc(root, classes):
    """The same in the format of PASCAL VOC, both years."""
    rng = np.random.default_rng(0)
    for year in ('VOC2007', 'VOC2012'):
        for folder in ('Annotations', 'ImageSets/Main'):
            (root / year / folder).mkdir(parents=True)
        for index in range(NUM_IMAGES):
            noise(root / year / 'JPEGImages' / f'{index}.jpg')
            objects = [
                OBJECT.format(x + 1, y + 1, x + side, y + side, name=classes[rng.integers(20)])
                for x, y, side in BOXES
            ]
            size = '<size><width>{}</width><height>{}</height></size>'.format(*SCALE)
            (root / year / 'Annotations' / f'{index}.xml').write_text(
                f'<annotation>{size}{"".join(objects)}</annotation>'
            )
        for split in ('trainval', 'test'):
            (root / year / 'ImageSets/Main' / f'{split}.txt').write_text('0\n1\n')
    return root


def use_tiny_data(dataset, evaluators):
    """Put the tiny data set in place of the config's, and its annotations into the metrics."""
    for source in innermost(dataset):
        classes = class_names(source)
        root = shared_folder() / f'data {source.type} {len(classes)}'
        if source.type == 'VOCDataset':
            source.data_root = str(tiny_voc(root, classes)) + '/'
            continue
        data = tiny_coco(root, classes)
        # LVIS finds the folder in the address of an image.
        folder = '' if source.type == 'LVISV1Dataset' else 'images/'
        source.update(data_root=str(data), ann_file='all.json', data_prefix=dict(img=folder))
        for evaluator in evaluators:
            evaluator.ann_file = str(data / 'all.json')


def shrink(node):
    """Sizes of the tiny images, every image once an epoch, and predictions that nothing has learned."""
    if isinstance(node, dict):
        # The metrics log nothing where nothing is predicted, and after so few iterations a head may give
        # all it has to the background. Not for LVIS: 1203 classes of 1000 proposals would take minutes.
        if node.get('score_thr', 0) > 0.001:
            node['score_thr'] = -1.0
        if 'max_per_img' in node:
            node['max_per_img'] = min(node['max_per_img'], 100)
        if node.get('type') in ('Resize', 'RandomResize', 'RandomChoiceResize') and 'scale' in node:
            node['scale'] = SCALE
        if node.get('type') == 'RandomChoiceResize':
            node['scales'] = [SCALE]
        if node.get('type') == 'RepeatDataset':
            node['times'] = 1
        for value in node.values():
            shrink(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            shrink(value)


def tiny(name, folder, **labelenc):
    """Write the config for the tiny data set, few iterations an epoch."""
    config = parse(name)
    config.model.backbone.init_cfg = None
    shrink(config.model.test_cfg)
    if 'labelenc' in config.model:
        config.model.labelenc.update(labelenc)
    for part in ('train', 'val', 'test'):
        loader = config[f'{part}_dataloader']
        shrink(loader)
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        evaluators = config.get(f'{part}_evaluator') or []
        evaluators = evaluators if isinstance(evaluators, list) else [evaluators]
        use_tiny_data(loader.dataset, evaluators)
    if 'lvis' in name:
        config.custom_imports.imports.append('numpy_float')
    config.train_cfg.update(max_epochs=3, val_interval=3)
    folder.mkdir(parents=True)
    config.dump(folder / 'config.py')
    return folder / 'config.py'


@cache
def finished(name):
    """The config's tiny training, run once for all tests that need what it leaves."""
    folder = shared_folder() / 'configs' / name
    labels = {}
    labelenc = parsed(name).model.get('labelenc', {})
    if 'teacher' in labelenc:
        labels['init_from'] = str(random_teacher(labelenc.teacher))
    elif 'init_from' in labelenc:
        labels['init_from'] = str(finished(step1_of(name)).work_dir / ENCODING)
    hooks = ('logger.interval=1', 'checkpoint.interval=3', 'checkpoint.save_optimizer=False')
    options = [f'default_hooks.{option}' for option in hooks]
    return train(tiny(name, folder / 'config', **labels), folder / 'run', *options, timeout=900)


@cache
def random_teacher(config):
    """A checkpoint of a teacher that has learned nothing."""
    init_default_scope('mmdet')
    path = shared_folder() / f'{Path(config).stem}.pth'
    model = Config.fromstring(f'_base_ = {config!r}', '.py').model
    model.backbone.init_cfg = None
    torch.save(dict(state_dict=MODELS.build(model).state_dict()), path)
    return path


@pytest.mark.parametrize(
    'name', [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in NAMES]
)
def test_config_trains(name):
    if 'lvis' in name:
        pytest.importorskip('lvis')
    config, run = parse(name), finished(name)
    assert 'Epoch(val) [3]' in run.output
    labelenc = config.model.get('labelenc', {})
    told = run.told_distances()
    iterations, active = len(told), sum(told)
    assert iterations >= 3
    if not labelenc or not labelenc.get('joint', True) or labelenc.get('loss_weight') == 0:
        assert active == 0
    else:  # not in the first quarter while labels are learned, nor at the end of step 2
        assert 0 < active < iterations
        assert told[0] == (name not in LEARNS)
    assert ('Reconstruction: head(label features)' in run.output) == (name in LEARNS)
    assert (run.work_dir / ENCODING).exists() == (name in LEARNS)
    exports = bool(labelenc) and labelenc.get('joint', True)
    assert (run.work_dir / EXPORTED).exists() == exports
    if name in LEARNS:
        _, metadata = load_tensors(run.work_dir / ENCODING)
        assert metadata['label_source'] == ('mask' if 'mask-rcnn' in name else 'box')
    metrics = {key for entry in run.scalars() for key in entry if '/' in key}
    prefixes = {'pascal_voc', 'coco'} if 'voc0712' in name else {'coco'}
    if 'lvis' in name:
        prefixes = {'lvis'}
    of_labels = {key for key in metrics if '/reconstruction_' in key}
    of_images = metrics - of_labels
    for found, expected in (
        (of_images, name not in LEARNS or labelenc.get('joint', True)),
        (of_labels, name in LEARNS),
    ):
        assert {key.split('/')[0] for key in found} == (prefixes if expected else set())
    for path in run.work_dir.glob('*.pth'):  # hundreds of MB each
        path.unlink()


def test_the_same_seed_gives_the_same_figures_on_a_cpu(tmp_path):
    """With a worker and the fused optimizer, as in the evidence."""
    config = tiny('bccd/retinanet_r18_labelenc-step1_bccd.py', tmp_path / 'config')
    assert parsed('bccd/retinanet_r18_labelenc-step1_bccd.py').optim_wrapper.optimizer.fused
    options = ('train_dataloader.num_workers=1',)
    runs = [train(config, tmp_path / name, *options) for name in ('one', 'two')]
    one, two = ([without_times(entry) for entry in run.scalars()] for run in runs)
    assert one == two and any('coco/bbox_mAP' in entry for entry in one)
    states = [load_checkpoint_file(run.work_dir / 'epoch_3.pth')['state_dict'] for run in runs]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def without_times(entry):
    return {key: value for key, value in entry.items() if key not in ('time', 'data_time')}
