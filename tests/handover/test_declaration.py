"""What a training declares that it leaves, and what a model declares that it takes."""

from pathlib import Path

import pytest
import torch
from detection_models import build, small_model_config
from segmentation_models import CHANNELS, NUM_CLASSES
from third_kind import COPIER, Copier
from torch import nn

from labelenc_mm.detection import load_label_encoding
from labelenc_mm.handover.artefact import ArtefactError, load_tensors, save_tensors
from labelenc_mm.handover.declaration import Outside, Take, Under
from labelenc_mm.networks import LabelMapDecoder
from labelenc_mm.segmentation import load_label_code

FILES = Path(__file__).resolve().parents[1] / 'files'


@pytest.fixture
def path(tmp_path):
    copier = Copier()
    path = str(tmp_path / 'copier.safetensors')
    COPIER.save(path, copier.state_dict(), {'width': 4, 'classes': ['a']})
    return path


def test_names_under_a_prefix_and_outside_of_children():
    assert Under('neck.').rest('neck.a.weight') == 'a.weight'
    assert Under('neck.').rest('necks.a') is None
    assert Under('').rest('a.b') == 'a.b'
    assert Outside(('backbone', 'neck')).rest('bbox_head.a') == 'bbox_head.a'
    assert Outside(('backbone', 'neck')).rest('neck.a') is None


def test_a_file_holds_the_declared_tensors_under_their_names(path):
    tensors, metadata = load_tensors(path)
    assert tensors.keys() == {
        *(f'encoder.{name}' for name in ('weight', 'bias')),
        *(f'trunk.{i}.{name}' for i in range(2) for name in ('weight', 'bias')),
    }
    assert metadata['kind'] == 'test copier' and metadata['format'] == 1


def test_what_starts_fresh_is_neither_compared_nor_taken(path):
    model = nn.ModuleDict({'trunk': nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 7))})
    before = model['trunk'][1].weight.clone()
    artefact = COPIER.read(path)
    strict = Take('trunk.', Under('trunk.'))
    (line, *_) = artefact.differences(model, [strict], {})
    assert line == 'trunk.1.weight: shape (7, 4) here, (2, 4) in the file'
    take = Take('trunk.', Under('trunk.'), fresh=('1.',))
    assert artefact.differences(model, [take], {}) == []
    artefact.fill(model, [take])
    assert torch.equal(model['trunk'][0].weight, artefact.tensors['trunk.0.weight'])
    assert torch.equal(model['trunk'][1].weight, before)


def test_what_may_fit_takes_tensors_of_equal_shape(path):
    model = nn.ModuleDict({'trunk': nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 7))})
    before = model['trunk'][1].weight.clone()
    artefact = COPIER.read(path)
    take = Take('trunk.', Under('trunk.'), fitting=True)
    assert artefact.differences(model, [take], {}) == []
    artefact.fill(model, [take])
    assert torch.equal(model['trunk'][0].weight, artefact.tensors['trunk.0.weight'])
    assert torch.equal(model['trunk'][1].weight, before)


def test_differences_name_metadata_and_tensors(path):
    model = nn.ModuleDict({'encoder': nn.Linear(2, 5)})
    take = Take('encoder.', Under('encoder.'))
    with pytest.raises(ArtefactError) as error:
        COPIER.read(path).check(model, [take], {'width': 5}, 'counter', 'Train another copier')
    text = str(error.value)
    assert 'does not fit this counter' in text and text.endswith('Train another copier')
    assert 'width: 5 here, 4 in the file' in text
    assert 'encoder.weight: shape (5, 2) here, (4, 2) in the file' in text


def test_a_file_of_a_later_format_is_refused_with_its_version(path):
    tensors, metadata = load_tensors(path)
    save_tensors(path, tensors, {**metadata, 'format': 2, 'labelenc_mm_version': '7.0'})
    with pytest.raises(ArtefactError, match=r'has format 2 of labelenc_mm 7\.0.*up to 1'):
        COPIER.read(path)
    save_tensors(path, tensors, {**metadata, 'format': 'x'})
    with pytest.raises(ArtefactError, match="has format 'x'"):
        COPIER.read(path)


def test_missing_and_foreign_files(path, tmp_path):
    with pytest.raises(FileNotFoundError, match=r'a\.b=.*Train a Copier first; it leaves copier'):
        COPIER.read(str(tmp_path / 'none'), 'a.b')
    foreign = str(tmp_path / 'foreign.safetensors')
    save_tensors(foreign, {}, {'kind': 'something'})
    with pytest.raises(ArtefactError, match='is no copier .kind: something'):
        COPIER.read(foreign)


def test_files_that_were_written_before_they_had_a_format_still_load():
    """Of version 0.1.0, tiny ones, kept as they were written."""
    encoding, code = (
        str(FILES / f'label_{name}.safetensors') for name in ('encoding', 'autoencoder')
    )
    for path in (encoding, code):
        assert 'format' not in load_tensors(path)[1]
    options = dict(encoder=dict(stem_channels=4, out_channels=(4, 4, 8, 8)))
    detector = build('small', 'supervise', model=small_model_config(3), **options)
    load_label_encoding(detector, encoding)
    state, tensors = detector.state_dict(), load_tensors(encoding)[0]
    for key, value in tensors.items():
        name = key.removeprefix('head.') if key.startswith('head.') else f'labelenc.{key}'
        assert torch.equal(state[name], value), key
    detector.labelenc.check_labels(dict(classes=('a', 'b', 'c')))
    decoder = LabelMapDecoder(NUM_CLASSES, CHANNELS)
    assert load_label_code('decoder', decoder, code)['reduce_zero_label'] is True
    for key, value in decoder.state_dict().items():
        assert torch.equal(load_tensors(code)[0][f'decoder.{key}'], value)
