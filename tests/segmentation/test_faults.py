"""Faults in whole trainings of label structure: of checkpoints and classes, each named, nothing trained."""

import re
import shutil

import pytest
import torch
from segmentation_training import (
    ALL_CLASSES,
    AUTOENCODER,
    EXPORTED,
    LEARN,
    SUPERVISE,
    shared_autoencoder,
    write_config,
)
from training_runs import shared_folder, train, weights

OTHER = (8, 8, 8, 8, 24)
PLAIN = """
model = dict(
    auxiliary_head=dict(
        _delete_=True,
        type='FrozenLabelDecoderHead',
        init_from='{autoencoder}',
        num_classes={num_classes},
        in_channels=64,
        in_index=3,
        channels={channels},
    ),
)
"""
ONE_EPOCH = ('train_cfg.max_epochs=1', 'train_cfg.val_interval=9')


@pytest.fixture(scope='module')
def autoencoder():
    return shared_autoencoder().work_dir


@pytest.fixture(scope='module')
def supervised(autoencoder):
    """The work dir of a segmentor trained under both heads."""
    path = shared_folder() / 'faults_supervise.py'
    config = write_config(path, SUPERVISE, autoencoder=autoencoder / AUTOENCODER)
    return train(config, shared_folder() / 'faults_supervise', 'train_cfg.max_epochs=2').work_dir


def resume(tmp_path, start, *options, part=LEARN, **values):
    """Resume from a checkpoint of another training, which is to fail."""
    (tmp_path / 'run').mkdir()
    shutil.copy(start, tmp_path / 'run' / 'epoch_1.pth')
    config = write_config(tmp_path / 'c.py', part, **values)
    failed = train(config, tmp_path / 'run', *options, resume=True, expect=1)
    assert {path.name for path in (tmp_path / 'run').glob('*.pth')} == {'epoch_1.pth'}
    assert not list((tmp_path / 'run').glob('*.safetensors'))
    return failed.output


def assert_says(text, message):
    assert re.search(message, text, re.S), text[-3000:]


def test_an_autoencoder_does_not_resume_with_other_classes_or_channels(autoencoder, tmp_path):
    for name, values, message in (
        ('fewer', dict(classes=ALL_CLASSES[:-1]), r'labels: 8 classes \(the checkpoint: 9\)'),
        (
            'order',
            dict(classes=ALL_CLASSES[::-1]),
            r"labels: 0: 'lamp' \(the checkpoint: 'background'",
        ),
        ('wider', dict(channels=OTHER), r'encoder\.convs\.4\.weight: shape \(24, 8, 3, 3\) here'),
    ):
        (tmp_path / name).mkdir()
        text = resume(tmp_path / name, autoencoder / 'epoch_1.pth', **values)
        assert_says(text, rf'CheckpointError: .*epoch_1\.pth is of another training.*{message}')


@pytest.mark.parametrize(
    ('option', 'key'),
    [
        ('model.label_structure.0.channels=[8,8,8,8,24]', r'label_structure\.0\.decoder\.convs'),
        # The optimizer would die of momenta of another shape.
        ('model.decode_head.channels=24', r'decode_head\.convs\.0\.conv\.weight: shape \(24,'),
        ('model.auxiliary_head=None', r'auxiliary_head\.conv_seg\.weight: only in the file'),
    ],
)
def test_a_segmentor_does_not_resume_with_another_model(supervised, tmp_path, option, key):
    file = shared_autoencoder().work_dir / AUTOENCODER
    start = supervised / 'epoch_1.pth'
    text = resume(tmp_path, start, option, part=SUPERVISE, autoencoder=file)
    assert_says(text, rf'CheckpointError: .*is of another training.*{key}')


def test_an_exported_segmentor_is_one_to_start_from_not_to_resume_from(supervised, tmp_path):
    file = shared_autoencoder().work_dir / AUTOENCODER
    text = resume(tmp_path, supervised / EXPORTED, part=SUPERVISE, autoencoder=file)
    assert_says(text, r'epoch_1\.pth is no checkpoint that a training can resume from')
    start = f'load_from={supervised / EXPORTED}'
    run = train(tmp_path / 'c.py', tmp_path / 'fresh', start, *ONE_EPOCH)
    assert (run.work_dir / EXPORTED).is_file()


def test_an_autoencoder_starts_from_another_of_the_same_classes_and_channels_alone(
    autoencoder, tmp_path
):
    start = f'load_from={autoencoder / "epoch_3.pth"}'
    config = write_config(tmp_path / 'c.py', LEARN)
    run = train(config, tmp_path / 'run', start, *ONE_EPOCH)
    assert (run.work_dir / AUTOENCODER).is_file()
    for name, values, message in (
        ('order', dict(classes=ALL_CLASSES[::-1]), r"labels: 0: 'lamp'"),
        ('wider', dict(channels=OTHER), r'encoder\.convs\.4\.weight: shape'),
    ):
        other = write_config(tmp_path / f'{name}.py', LEARN, **values)
        text = train(other, tmp_path / name, start, expect=1).output
        assert_says(text, rf'CheckpointError: load_from=.* does not fit encoder\.\*, .*{message}')


def test_a_plain_auxiliary_head_starts_beside_the_weights_of_a_stock_model(supervised, tmp_path):
    """Whose own auxiliary head has other tensors under the same prefix."""
    file = shared_autoencoder().work_dir / AUTOENCODER
    config = write_config(tmp_path / 'c.py', PLAIN, autoencoder=file)
    stock = supervised / EXPORTED
    assert any(key.startswith('auxiliary_head.') for key in weights(stock))
    run = train(config, tmp_path / 'run', f'load_from={stock}', *ONE_EPOCH)
    own = torch.load(run.work_dir / 'epoch_1.pth', weights_only=False)
    del own['state_dict']['auxiliary_head.decoder.convs.0.bias']
    torch.save(own, tmp_path / 'own.pth')
    text = train(config, tmp_path / 'b', f'load_from={tmp_path / "own.pth"}', expect=1).output
    assert_says(text, r'does not fit auxiliary_head\.decoder\.\*.*convs\.0\.bias: missing')


def test_weights_that_init_cfg_loads_in_part_are_not_taken_for_learned(supervised, tmp_path):
    start = torch.load(supervised / 'epoch_1.pth', weights_only=False)
    del start['state_dict']['label_structure.0.decoder.convs.0.bias']
    torch.save(start, tmp_path / 'start.pth')
    config = write_config(tmp_path / 'c.py', SUPERVISE, autoencoder='')
    options = [f'model.label_structure.{index}.init_from=None' for index in (0, 1)]
    options += ['model.init_cfg.type=Pretrained', f'model.init_cfg.checkpoint={tmp_path}/start.pth']
    text = train(config, tmp_path / 'run', *options, expect=1).output
    assert_says(text, r'has no label decoder: set init_from')


@pytest.mark.parametrize('part', [LEARN, SUPERVISE], ids=['autoencoder', 'segmentor'])
def test_validation_with_other_classes_and_a_text_in_their_place(autoencoder, part, tmp_path):
    config = write_config(tmp_path / 'c.py', part, autoencoder=autoencoder / AUTOENCODER)
    text = str(ALL_CLASSES[::-1]).replace(' ', '')
    options = (
        'val_dataloader.dataset.metainfo.classes',
        'train_dataloader.dataset.metainfo.classes',
    )
    run = train(config, tmp_path / 'a', f'{options[0]}={text}', expect=1)
    assert_says(run.output, r'labels of two data sets of this run.*val_dataloader, BaseSegDataset')
    run = train(config, tmp_path / 'b', *(f'{option}=thing' for option in options), expect=1)
    assert_says(
        run.output, r"ValueError: metainfo\.classes of train_dataloader.* is the text 'thing'"
    )
