"""Bad input and faults in whole trainings: what is harmless changes nothing, the rest is named."""

import json
import os
import re
import shutil
from types import SimpleNamespace

import pytest
import torch
from hostile_pickles import RunsCode, getattr_gadget, replace_pickle
from training_configs import ONE_RUN, SIZE, STEP1, STEP2, edit_annotations, write_config
from training_runs import (
    ENCODING,
    EXPORTED,
    TEST,
    differing,
    run_script,
    shared_data,
    shared_folder,
    shared_step1,
    shared_step2,
    train,
    weights,
)

from labelenc_mm.detection.labelenc_hook import check_is_of_this_step
from labelenc_mm.handover.artefact import load_tensors, save_tensors
from labelenc_mm.shape_scenes import CLASSES
from labelenc_mm.toolbox.safe_loading import CheckpointError

TRAIN_JSON = 'annotations/train.json'


@pytest.fixture(scope='module', autouse=True)
def step1():
    return shared_step1()


def annotate(tmp_path, edit):
    """An edited copy of the training annotations, as an option for the command line."""
    path = edit_annotations(shared_data() / TRAIN_JSON, edit, tmp_path / 'edited.json')
    return f'train_dataloader.dataset.ann_file={path}'


def add_harmless_faults(coco):
    """Crowds, ignored objects and boxes that no object can have."""
    height, width = SIZE
    crowd = dict(iscrowd=1, segmentation=dict(counts=[0, height * width], size=[height, width]))
    faults = [
        dict(bbox=[0, 0, width, height], **crowd),
        dict(bbox=[5, 5, 30, 30], ignore=True),
        dict(bbox=[10, 10, 0, 20]),
        dict(bbox=[10, 10, 20, -5]),
        dict(bbox=[10, 10, 0.2, 20]),
        dict(bbox=[width + 10, 10, 20, 20]),
        dict(bbox=[-30, -30, 20, 20]),
        dict(bbox=[40, 10, 20, 20], category_id=99),
    ]
    for image in coco['images']:
        for fault in faults:
            entry = dict(
                id=len(coco['annotations']) + 1000,
                image_id=image['id'],
                category_id=1,
                area=abs(fault['bbox'][2] * fault['bbox'][3]),
                iscrowd=0,
                segmentation=[],
            )
            coco['annotations'].append(entry | fault)


def test_crowds_ignored_and_degenerate_boxes_change_nothing(tmp_path):
    run = train(
        shared_folder() / 'step1.py', tmp_path / 'run', annotate(tmp_path, add_harmless_faults)
    )
    ends = (weights(each.work_dir / 'epoch_4.pth') for each in (run, shared_step1()))
    assert differing(*ends) == []


@pytest.mark.parametrize('stage', ['autoencode', 'supervise'])
def test_no_object_in_any_image(stage, tmp_path):
    option = annotate(tmp_path, lambda coco: coco.update(annotations=[]))
    part = STEP1 if stage == 'autoencode' else STEP2
    file = shared_step1().work_dir / ENCODING
    config = write_config(tmp_path / 'c.py', shared_data(), part, step1=file)
    run = train(config, tmp_path / 'run', option)
    state = weights(run.work_dir / EXPORTED)
    assert all(torch.isfinite(value).all() for value in state.values())
    names = {key for entry in run.scalars() for key in entry if 'loss' in key}
    assert names == {
        'loss',
        'loss_cls',
        'loss_bbox',
        'loss_labelenc',
        *(('ae_loss_cls', 'ae_loss_bbox') if stage == 'autoencode' else ()),
    }


def spoil_image(tmp_path):
    """The same data set with a damaged image: another folder of images, annotations as they are."""
    source = shared_data() / 'images' / 'train'
    folder = tmp_path / 'images'
    folder.mkdir()
    for path in source.iterdir():
        (folder / path.name).symlink_to(path)
    (folder / '000005.png').unlink()
    content = (source / '000005.png').read_bytes()
    (folder / '000005.png').write_bytes(content[:40])
    return [f'train_dataloader.dataset.data_prefix.img={folder}/']


def reversed_classes(tmp_path):
    """In the config alone, which does not change a label."""
    text = str(tuple(reversed(CLASSES))).replace(' ', '')
    return [
        f'{part}_dataloader.dataset.metainfo.classes={text}' for part in ('train', 'val', 'test')
    ]


def reversed_categories(tmp_path):
    """In the files alone, which changes the labels."""
    options = []
    for part in ('train', 'val'):
        source, path = (root / f'annotations/{part}.json' for root in (shared_data(), tmp_path))
        path.parent.mkdir(exist_ok=True)
        edit_annotations(source, lambda coco: coco['categories'].reverse(), path)
        options.append(f'{part}_dataloader.dataset.ann_file={path}')
    return options


def reversed_both(tmp_path):
    return reversed_classes(tmp_path) + reversed_categories(tmp_path)


def reversed_validation(tmp_path):
    return [option for option in reversed_both(tmp_path) if option.startswith('val')]


def truncated(tmp_path):
    path = tmp_path / 'short.safetensors'
    content = (shared_step1().work_dir / ENCODING).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return [f'model.labelenc.init_from={path}']


def foreign(tmp_path):
    save_tensors(tmp_path / 'x.safetensors', {'weight': torch.zeros(2)}, {'kind': 'a filter'})
    return [f'model.labelenc.init_from={tmp_path}/x.safetensors']


def without_a_tensor(tmp_path):
    tensors, metadata = load_tensors(shared_step1().work_dir / ENCODING)
    tensors.pop('encoder.stem.bias')
    save_tensors(tmp_path / 'less.safetensors', tensors, metadata)
    return [f'model.labelenc.init_from={tmp_path}/less.safetensors']


def options(*texts):
    return lambda tmp_path: list(texts)


# Name, options of the training, error.
FAULTS = [
    ('unreadable image', spoil_image, r'SampleError: LoadImageFromFile .*000005\.png'),
    (
        'other classes',
        reversed_both,
        r"ArtefactError: .*0: 'lamp' \(step 1: 'house'\).*\n.*1: '",
    ),
    (
        'other classes of the same labels',
        reversed_classes,
        r"ValueError: train_data.*train\.json: labels are.*0: 'lamp' \(by its annotations: 'house'\)",
    ),
    (
        'other labels of the same classes',
        reversed_categories,
        r"ValueError: train_data.*train\.json: labels are.*0: 'house' \(by its annotations: 'lamp'\)",
    ),
    (
        'other labels in the validation',
        reversed_validation,
        r"ValueError: labels of two.*val_dataloader.*0: 'lamp' \(train_dataloader.*: 'house'\)",
    ),
    (
        'a text in place of the classes',
        options(
            *(f'{part}_dataloader.dataset.metainfo.classes=thing' for part in ('train', 'val'))
        ),
        r"ValueError: metainfo\.classes of train_dataloader.* is the text 'thing'",
    ),
    (
        'labels of step 1 that are not what its classes say',
        lambda path: [
            'model.labelenc.stage=autoencode',
            'model.labelenc.init_from=None',
            *reversed_categories(path),
        ],
        r'ValueError: train_data.*labels are not what metainfo\.classes calls them',
    ),
    (
        'another number of classes',
        options('model.bbox_head.num_classes=3'),
        r'ArtefactError: .*num_classes: 3 here, 8 in the file.*\n.*encoder\.stem\.weight: shape',
    ),
    (
        'another neck',
        options('model.neck.type=PAFPN'),
        r'ArtefactError: .*neck: "PAFPN" here, "FPN" in',
    ),
    ('truncated file', truncated, r'ArtefactError: .*short\.safetensors is truncated'),
    (
        'foreign file',
        foreign,
        r'ArtefactError: .*x\.safetensors is no label encoding .*a filter',
    ),
    ('incomplete file', without_a_tensor, r'ArtefactError: .*encoder\.stem\.bias: missing'),
    (
        'ordinary checkpoint',
        lambda _: [f'model.labelenc.init_from={shared_step1().work_dir}/epoch_4.pth'],
        r'ArtefactError: .*epoch_4\.pth was not written by labelenc_mm',
    ),
    (
        'no such file',
        options('model.labelenc.init_from=gone.safetensors'),
        r'gone\.safetensors: no such file. Train step 1',
    ),
    (
        'no file at all',
        options('model.labelenc.init_from=None'),
        r'RuntimeError: .*set labelenc\.init_from',
    ),
    (
        'a checkpoint of step 1 instead',
        lambda _: [
            'model.labelenc.init_from=None',
            f'load_from={shared_step1().work_dir}/epoch_4.pth',
        ],
        r'RuntimeError: .*do not give a checkpoint of step 1 to load_from',
    ),
    (
        'a checkpoint of step 1 as well',
        lambda _: [f'load_from={shared_step1().work_dir}/epoch_4.pth'],
        r"ValueError: load_from='.*epoch_4\.pth' is a checkpoint of step 1",
    ),
    (
        'an encoder of another width in load_from',
        lambda _: [
            'model.labelenc.init_from=None',
            'model.labelenc.encoder.stem_channels=4',
            f'load_from={shared_step1().work_dir}/epoch_4.pth',
        ],
        r'CheckpointError: load_from=.*does not fit labelenc\.\*.*encoder\.stem\.weight: shape \(4,',
    ),
    (
        'the same by init_cfg',
        lambda _: [
            'model.labelenc.init_from=None',
            'model.labelenc.encoder.stem_channels=4',
            'model.init_cfg.type=Pretrained',
            f'model.init_cfg.checkpoint={shared_step2().work_dir}/epoch_4.pth',
        ],
        r'RuntimeError: .*set labelenc\.init_from',
    ),
    (
        'unknown stage',
        options('model.labelenc.stage=encode'),
        r"stage='encode' is unknown; write 'autoencode'",
    ),
    (
        'end beyond training',
        options('model.labelenc.distance_end=5'),
        r'distance_end=5 lies outside the training of 4 epochs',
    ),
    (
        'end before the start',
        options('model.labelenc.distance_end=-5'),
        r'distance_end=-5 lies outside',
    ),
    (
        'unknown option',
        options('model.labelenc.loss_wieght=1.0'),
        r"unexpected keyword argument 'loss_wieght'",
    ),
]


@pytest.fixture(scope='module')
def step2_config(tmp_path_factory):
    folder = tmp_path_factory.mktemp('faults')
    return write_config(
        folder / 'c.py', shared_data(), STEP2, step1=shared_step1().work_dir / ENCODING
    )


@pytest.mark.parametrize('name, make, message', FAULTS, ids=[fault[0] for fault in FAULTS])
def test_fault_is_named_and_nothing_is_written(name, make, message, step2_config, tmp_path):
    run = train(step2_config, tmp_path / 'run', *make(tmp_path), expect=1)
    assert re.search(message, run.output, re.S), run.output[-2000:]
    left = [
        path.name
        for path in (tmp_path / 'run').glob('*')
        if path.suffix in ('.pth', '.safetensors')
    ]
    assert left == []


def resume(tmp_path, run, *options, part=STEP1, file='epoch_2.pth', **values):
    """Resume from a file of a finished run under other options, which is to fail."""
    (tmp_path / 'run').mkdir()
    shutil.copy(run.work_dir / file, tmp_path / 'run' / 'epoch_2.pth')
    config = write_config(tmp_path / 'c.py', shared_data(), part, **values)
    failed = train(config, tmp_path / 'run', *options, resume=True, expect=1)
    assert {path.name for path in (tmp_path / 'run').glob('*.pth')} == {'epoch_2.pth'}
    assert not list((tmp_path / 'run').glob('*.safetensors'))
    return failed.output


def test_step_1_does_not_resume_with_other_classes(tmp_path):
    """A class fewer: most tensors would load, and the first layer of the encoder would stay random."""
    text = resume(tmp_path, shared_step1(), classes=CLASSES[:-1])
    assert re.search(
        r'CheckpointError: .*epoch_2\.pth is of another training.*labels: 7 classes \(the checkpoint: 8\)'
        r'.*labelenc\.encoder\.stem\.weight: shape \(8, 7, 7, 7\) here, \(8, 8, 7, 7\) in the file',
        text,
        re.S,
    ), text[-2000:]


def test_step_2_does_not_resume_with_another_frozen_encoder(tmp_path):
    option = 'model.labelenc.encoder.stem_channels=4'
    step1 = shared_step1().work_dir / ENCODING
    text = resume(tmp_path, shared_step2(), option, part=STEP2, step1=step1)
    assert re.search(r'CheckpointError: .*labelenc\.encoder\.stem\.weight: shape \(4', text, re.S)


def test_no_stage_resumes_from_another(tmp_path):
    """Whose tensors are the same, and which may have more epochs than this one has."""
    step1 = shared_step1().work_dir / ENCODING
    (tmp_path / 'a').mkdir()
    text = resume(tmp_path / 'a', shared_step1(), part=STEP2, file='epoch_4.pth', step1=step1)
    assert "is of 'autoencode', but this training has labelenc.stage='supervise'" in text
    (tmp_path / 'b').mkdir()
    text = resume(tmp_path / 'b', shared_step2(), file='epoch_4.pth')
    assert "is of 'supervise', but this training has labelenc.stage='autoencode'" in text
    (tmp_path / 'c').mkdir()
    text = resume(tmp_path / 'c', shared_step1(), part=ONE_RUN, file='epoch_4.pth')
    assert "is of 'autoencode', but this training has labelenc.stage='one-run'" in text


@pytest.mark.parametrize('flag', [0, 1])
def test_checkpoints_of_earlier_versions_tell_their_step_by_a_flag(flag):
    detector = SimpleNamespace(labelenc=SimpleNamespace(stage='one-run', learns_labels=True))
    runner = SimpleNamespace(model=detector, _resume=True, _load_from='a.pth')
    checkpoint = {'state_dict': {'labelenc.encoder_is_loaded': torch.tensor(flag)}}
    if not flag:
        check_is_of_this_step(runner, checkpoint)
        return
    with pytest.raises(CheckpointError, match="a.pth is of step 2, but .*stage='one-run'"):
        check_is_of_this_step(runner, checkpoint)


def test_an_exported_detector_is_one_to_start_from_not_to_resume_from(tmp_path):
    text = resume(tmp_path, shared_step1(), file=EXPORTED)
    assert (
        'epoch_2.pth is no checkpoint that a training can resume from: it has no message_hub'
        in text
    )
    start = tmp_path / 'run' / 'epoch_2.pth'
    options = (f'load_from={start}', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=9')
    run = train(tmp_path / 'c.py', tmp_path / 'fresh', *options)
    assert (run.work_dir / ENCODING).exists()


def test_class_id_out_of_range_names_the_image(tmp_path):
    """The data set has eight classes, the head of the detector five."""
    config = write_config(tmp_path / 'c.py', shared_data(), STEP1, num_classes=5)
    run = train(config, tmp_path / 'run', expect=1)
    message = (
        r'ValueError: .*images/train/00000\d\.png: object \d+ has label [567], but there are 5'
    )
    assert re.search(message, run.output), run.output[-2000:]


@pytest.mark.parametrize('kind', ['reduce', 'getattr gadget'])
@pytest.mark.parametrize('way', ['--resume', 'load_from', 'test'])
def test_hostile_checkpoint_does_not_execute(kind, way, tmp_path):
    path, marker = tmp_path / 'hostile.pth', tmp_path / 'marker'
    if kind == 'reduce':
        torch.save({'state_dict': {}, 'x': RunsCode(f'touch {marker}')}, path)
    else:
        replace_pickle(path, getattr_gadget(f'__import__("os").system("touch {marker}")'))
    config = shared_folder() / 'step1.py'
    if way == 'test':
        run = run_script(
            TEST, config, path, '--work-dir', tmp_path / 'run', work_dir=tmp_path / 'run', expect=1
        )
    elif way == 'load_from':
        run = train(config, tmp_path / 'run', f'load_from={path}', expect=1)
    else:
        os.makedirs(tmp_path / 'run')
        path.rename(tmp_path / 'run' / 'epoch_1.pth')
        (tmp_path / 'run' / 'last_checkpoint').write_text(str(tmp_path / 'run' / 'epoch_1.pth'))
        run = train(config, tmp_path / 'run', resume=True, expect=1)
    assert re.search(r'CheckpointError: .*(hostile|epoch_1)\.pth', run.output), run.output[-2000:]
    assert not marker.exists()


@pytest.mark.parametrize('filter_cfg', ['None', 'dict(_delete_=True, filter_empty_gt=True)'])
def test_data_of_other_classes_are_refused_with_both_lists_before_training(tmp_path, filter_cfg):
    part = f'train_dataloader = dict(dataset=dict(filter_cfg={filter_cfg}))'
    classes = ('horse', 'hen')
    config = write_config(tmp_path / 'c.py', shared_data(), STEP1, part, classes=classes)
    run = train(config, tmp_path / 'run', expect=1)
    message = f"none of metainfo.classes, 'horse', 'hen', is .*, '{CLASSES[0]}', "
    assert re.search(f'ValueError: .*{message}', run.output), run.output[-2000:]
    assert 'Epoch(train)' not in run.output


def test_a_class_without_an_object_is_told_before_training(tmp_path):
    option = annotate(
        tmp_path,
        lambda coco: coco.update(
            annotations=[a for a in coco['annotations'] if a['category_id'] != 3]
        ),
    )
    names = {
        c['id']: c['name']
        for c in json.loads((shared_data() / TRAIN_JSON).read_text())['categories']
    }
    config = write_config(tmp_path / 'c.py', shared_data(), STEP1)
    options = ('train_cfg.max_epochs=1', 'train_cfg.val_interval=9')
    run = train(config, tmp_path / 'run', option, *options)
    before, _ = run.output.split('Epoch(train)', 1)
    assert before.count('have no object in the training data') == 1
    assert f"have no object in the training data: '{names[3]}'" in before
