"""The file that a label autoencoder hands over, and what it must agree in."""

import pytest
import torch
from mmseg.registry import MODELS
from segmentation_models import CHANNELS, NUM_CLASSES, build_autoencoder

from labelenc_mm.handover.artefact import ArtefactError, load_tensors, save_tensors
from labelenc_mm.handover.frozen_part import check_labels
from labelenc_mm.segmentation import load_label_code, save_label_autoencoder
from labelenc_mm.segmentation.label_structure.label_code import load_label_encoder

METAINFO = dict(classes=('sky', 'road', 'car', 'tree', 'sea'), reduce_zero_label=True)


@pytest.fixture
def autoencoder():
    return build_autoencoder()


@pytest.fixture
def path(autoencoder, tmp_path):
    path = tmp_path / 'label_autoencoder.safetensors'
    save_label_autoencoder(autoencoder, autoencoder.state_dict(), path, METAINFO)
    return path


def coder(part, **options):
    options = dict(num_classes=NUM_CLASSES, channels=CHANNELS) | options
    return MODELS.build(dict(type=f'LabelMap{part.capitalize()}', **options))


@pytest.mark.parametrize('part', ['encoder', 'decoder'])
def test_each_half_comes_back_from_the_file(part, autoencoder, path):
    half = coder(part)
    metadata = load_label_code(part, half, path)
    for key, value in getattr(autoencoder, part).state_dict().items():
        assert torch.equal(half.state_dict()[key], value)
    assert metadata['classes'] == list(METAINFO['classes'])
    assert metadata['channels'] == list(CHANNELS) and metadata['stride'] == 16
    check_labels(path, metadata, METAINFO, 'autoencoder')


@pytest.mark.parametrize(
    ('part', 'options', 'messages'),
    [
        ('decoder', dict(num_classes=7), ['num_classes: 7 here, 5 in the file']),
        (
            'encoder',
            dict(channels=(4, 6, 8, 10), pool_last=True),
            ['channels: [4, 6, 8, 10] here, [4, 6, 8, 10, 12] in the file', 'pool_last: true here'],
        ),
        (
            'decoder',
            dict(upsample_mode='nearest'),
            ['upsample_mode: "nearest" here, "bilinear" in'],
        ),
    ],
)
def test_a_file_of_another_autoencoder_is_refused_with_the_difference(
    part, options, messages, path
):
    half = coder(part, **options)
    before = {key: value.clone() for key, value in half.state_dict().items()}
    with pytest.raises(ArtefactError, match=f'does not fit this {part}') as error:
        load_label_code(part, half, path)
    assert all(message in str(error.value) for message in messages)
    assert all(torch.equal(value, before[key]) for key, value in half.state_dict().items())


def test_foreign_and_missing_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match='no such file. Train a LabelAutoEncoder first'):
        load_label_code('decoder', coder('decoder'), tmp_path / 'none.safetensors')
    foreign = tmp_path / 'label_encoding.safetensors'
    save_tensors(foreign, {'encoder.x': torch.ones(1)}, {'kind': 'labelenc_mm label encoding'})
    with pytest.raises(
        ArtefactError, match=r'no label autoencoder .kind: labelenc_mm label enc.*give the '
    ):
        load_label_code('decoder', coder('decoder'), foreign)


def test_a_half_must_be_whole(path):
    tensors, metadata = load_tensors(path)
    del tensors['decoder.convs.1.bias']
    tensors['decoder.odd'] = torch.ones(2)
    save_tensors(path, tensors, metadata)
    with pytest.raises(ArtefactError) as error:
        load_label_code('decoder', coder('decoder'), path)
    assert 'decoder.convs.1.bias: missing in the file' in str(error.value)
    assert 'decoder.odd: only in the file' in str(error.value)
    load_label_code('encoder', coder('encoder'), path)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(classes=('sky', 'car', 'road', 'tree', 'sea')), "1: 'car' .autoencoder: 'road'."),
        (dict(classes=('sky', 'road', 'car')), '3 classes .autoencoder: 5.'),
        (dict(reduce_zero_label=False), 'reduce_zero_label is False .autoencoder: True.'),
    ],
)
def test_other_labels_are_refused_with_the_difference(change, message):
    metadata = dict(METAINFO, classes=list(METAINFO['classes']))
    with pytest.raises(ArtefactError, match=message):
        check_labels('a.safetensors', metadata, METAINFO | change, 'autoencoder')
    check_labels('a.safetensors', {}, METAINFO, 'autoencoder')  # resumed without the file


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('classes', 5),
        ('num_classes', '5'),
        ('channels', 32),
        ('channels', [[1]]),
        ('pool_last', None),
    ],
)
def test_damaged_metadata_name_file_and_key(path, key, value):
    tensors, metadata = load_tensors(path)
    metadata[key] = value
    save_tensors(path, tensors, metadata)
    with pytest.raises(ArtefactError, match=rf'\.safetensors are damaged .{key}: expected'):
        load_label_encoder(path)
    del metadata[key]
    save_tensors(path, tensors, metadata)
    if key != 'classes':
        with pytest.raises(ArtefactError, match=rf'{key}: .*found nothing'):
            load_label_encoder(path)
