"""What a user writes over a stock config: a few statements, as the pages show them, and these train.

Whatever a page shows of a step has to be as short, and needs no hook, loop or wrapper of ours.
"""

import ast
import re

import pytest
from segmentation_training import ALL_CLASSES, AUTOENCODER, shared_scenes
from training_configs import DETECTOR
from training_runs import ENCODING, EXPORTED, ROOT, shared_data, train

from labelenc_mm.shape_scenes import CLASSES

# What makes a block one of a step, and how many statements it may have at most.
STEPS = {
    'step1': (r"stage='autoencode'", 6),
    'step2': (r"stage='supervise'", 4),
    'autoencoder': (r"type='LabelAutoEncoder'", 6),
    'segmentor': (r"type='LabelStructureEncoderDecoder'", 4),
}
PAGES = [ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md'))]


def found(step):
    """Page and text of every block of a step."""
    mark, _ = STEPS[step]
    for page in PAGES:
        for block in re.findall(r'^```python\n(.*?)^```', page.read_text('utf-8'), re.M | re.S):
            if '_base_ =' in block and re.search(mark, block):
                yield page.name, block


@pytest.mark.parametrize('step', STEPS)
def test_a_step_is_a_few_statements(step):
    blocks = list(found(step))
    assert blocks
    for page, block in blocks:
        assert len(ast.parse(block).body) <= STEPS[step][1], page
        assert not re.search('default_hooks|val_cfg|model_wrapper_cfg|find_unused|Hook', block), (
            page
        )


# The sizes alone: of the data, the network and the training.
DETECTION = f"""
{re.sub('^_base_.*$', "_base_ = './step.py'", DETECTOR, flags=re.M)}
model['backbone'].update(depth=18)
model['labelenc'] = dict(encoder=dict(stem_channels=8, out_channels=(16, 32, 48, 64)))
train_cfg = dict(max_epochs=2, val_interval=2)
"""
SEGMENTATION = """
_base_ = './step.py'
dataset = dict(
    type='BaseSegDataset',
    data_root='{data}',
    img_suffix='.png',
    metainfo=dict(classes={classes}),
    pipeline=[
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='PackSegInputs'),
    ],
)
train_dataloader = dict(
    batch_size=2,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        _delete_=True,
        **dataset,
        data_prefix=dict(img_path='images/train', seg_map_path='labels/train'),
    ),
)
val_dataloader = dict(
    num_workers=0,
    persistent_workers=False,
    dataset=dict(
        _delete_=True,
        **dataset,
        data_prefix=dict(img_path='images/val', seg_map_path='labels/val'),
    ),
)
test_dataloader = val_dataloader
train_cfg = dict(max_iters=1, val_interval=1)
default_hooks = dict(logger=dict(interval=1))
"""
SIZES = {
    'autoencoder': 'model = dict(num_classes={num_classes})\n',
    'segmentor': """
data_preprocessor = dict(size=(64, 64))
model = dict(
    pretrained=None,
    data_preprocessor=data_preprocessor,
    backbone=dict(depth=18, base_channels=8, stem_channels=8),
    decode_head=dict(in_channels=64, channels=16, num_classes={num_classes}),
    auxiliary_head=dict(in_channels=32, channels=8, num_classes={num_classes}),
)
""",
}


def run(step, block, folder, **values):
    """Train what a page shows of a step, at another size."""
    folder.mkdir()
    (folder / 'step.py').write_text(block)
    classes = CLASSES if step.startswith('step') else ALL_CLASSES
    values.update(classes=tuple(classes), num_classes=len(classes))
    text = DETECTION if step.startswith('step') else SEGMENTATION + SIZES[step]
    for key, value in values.items():
        text = text.replace(f'{{{key}}}', str(value))
    config = folder / 'small.py'
    config.write_text(text)
    return lambda *options: train(config, folder / 'run', *options)


@pytest.mark.parametrize('page', sorted({page for page, _ in found('step2')}))
def test_steps_of_a_page_train(page, tmp_path):
    blocks = [dict(found(step))[page] for step in ('step1', 'step2')]
    step1 = run('step1', blocks[0], tmp_path / '1', data=shared_data())()
    assert any('coco/reconstruction_bbox_mAP' in entry for entry in step1.scalars())
    path = step1.work_dir / ENCODING
    step2 = run('step2', blocks[1], tmp_path / '2', data=shared_data())
    done = step2(f'model.labelenc.init_from={path}')
    assert any('loss_labelenc' in entry for entry in done.scalars())
    assert not any('coco/reconstruction_bbox_mAP' in entry for entry in done.scalars())
    assert (done.work_dir / EXPORTED).is_file()
    for each in (step1, done):
        assert 'trains without' not in each.output


def test_label_structure_trains(tmp_path):
    """As docs/label_structure.md has it; the page of one's own data has a test of its own."""
    blocks = [dict(found(step))['label_structure.md'] for step in ('autoencoder', 'segmentor')]
    learned = run('autoencoder', blocks[0], tmp_path / '1', data=shared_scenes())()
    assert 'no image is decoded' in learned.output
    path = learned.work_dir / AUTOENCODER
    segmentor = run('segmentor', blocks[1], tmp_path / '2', data=shared_scenes())
    done = segmentor(f'model.label_structure.init_from={path}')
    assert any('label_structure.loss_ce' in entry for entry in done.scalars())
    assert (done.work_dir / 'exported_segmentor.pth').is_file()
    for each in (learned, done):
        assert 'trains without' not in each.output
