"""Tensor files: exact round trip, atomic writing, and clear refusals."""

import os
import stat

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from labelenc_mm.handover.artefact import (
    CLASSES,
    ArtefactError,
    check_metadata,
    compare_tensors,
    load_tensors,
    save_tensors,
)


def test_round_trip_keeps_values_types_and_metadata(tmp_path):
    base = torch.randn(4, 6)
    tensors = {
        'plain': base,
        'alias': base,
        'view': base[1:3],
        'transposed': base.t(),
        'half': torch.randn(3).bfloat16(),
        'number': torch.tensor(7),
        'empty': torch.zeros(0, 5),
        'parameter': torch.nn.Parameter(torch.ones(2)),
    }
    metadata = {'classes': ['cat', 'ß'], 'neck': {'type': 'FPN', 'num_outs': 5}, 'scale': 0.5}
    path = tmp_path / 'new' / 'folder' / 'x.safetensors'
    save_tensors(path, tensors, metadata)
    loaded, read = load_tensors(str(path))
    assert read == metadata
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor), name
        assert not loaded[name].requires_grad
    # The library's own reader agrees.
    with safe_open(path, framework='pt') as file:
        assert torch.equal(file.get_tensor('transposed'), base.t())


def test_file_has_ordinary_permissions(tmp_path):
    (tmp_path / 'ordinary').touch()
    save_tensors(tmp_path / 'x.safetensors', {'a': torch.ones(1)}, {})
    modes = [stat.S_IMODE(os.stat(path).st_mode) for path in sorted(tmp_path.iterdir())]
    assert modes[0] == modes[1]


def test_failed_write_keeps_the_old_file_and_leaves_no_other(tmp_path, monkeypatch):
    path = tmp_path / 'x.safetensors'
    save_tensors(path, {'a': torch.ones(3)}, {'run': 1})

    def full_disk(tensors, name, metadata):
        with open(name, 'wb') as file:
            file.write(b'half a file')
        raise OSError('No space left on device')

    monkeypatch.setattr('labelenc_mm.handover.artefact.save_file', full_disk)
    with pytest.raises(OSError, match='No space left'):
        save_tensors(path, {'a': torch.zeros(3)}, {'run': 2})
    tensors, metadata = load_tensors(path)
    assert metadata == {'run': 1}
    assert torch.equal(tensors['a'], torch.ones(3))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('share', [0.0, 0.01, 0.5, 0.99])
def test_truncated_file(tmp_path, share):
    path = tmp_path / 'x.safetensors'
    save_tensors(path, {'a': torch.randn(100)}, {'classes': ['a']})
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ArtefactError, match=r'x\.safetensors is truncated.*run the stage'):
        load_tensors(path)


@pytest.mark.parametrize('content', [b'<html>404</html>' * 10, b'\x89PNG\r\n\x1a\n' + bytes(99)])
def test_other_format(tmp_path, content):
    path = tmp_path / 'x.safetensors'
    path.write_bytes(content)
    with pytest.raises(ArtefactError, match=r'x\.safetensors .*not a safetensors file'):
        load_tensors(path)


def test_pytorch_checkpoint_is_not_an_artefact(tmp_path):
    path = tmp_path / 'model.pth'
    torch.save({'a': torch.ones(1)}, path)
    with pytest.raises(ArtefactError, match=r'model\.pth'):
        load_tensors(path)


def test_safetensors_of_others(tmp_path):
    path = tmp_path / 'foreign.safetensors'
    save_file({'a': torch.ones(1)}, path, metadata={'format': 'pt'})
    with pytest.raises(ArtefactError, match="not written by labelenc_mm.*hold no 'labelenc_mm'"):
        load_tensors(path)


@pytest.mark.parametrize(
    'text', ['{"cut', '[1, 2]', '[' * 100_000, '{"classes": ' + '9' * 5000 + '}'], ids=str.__len__
)
def test_damaged_metadata(tmp_path, text):
    path = tmp_path / 'x.safetensors'
    save_file({'a': torch.ones(1)}, path, metadata={'labelenc_mm': text})
    with pytest.raises(
        ArtefactError, match=r'metadata of .*x\.safetensors are damaged.*JSON object'
    ):
        load_tensors(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no tensor file .*gone\.safetensors'):
        load_tensors(tmp_path / 'gone.safetensors')


def test_what_cannot_be_written_is_named(tmp_path):
    path = tmp_path / 'x.safetensors'
    with pytest.raises(TypeError, match=r"'epoch'.*must be a tensor, got int"):
        save_tensors(path, {'epoch': 3}, {})
    with pytest.raises(TypeError, match='must be plain JSON'):
        save_tensors(path, {}, {'device': torch.device('cpu')})
    assert not path.exists()


@pytest.mark.parametrize('metadata', [{'classes': 7}, {'classes': 'cat'}, {'classes': ['cat', 1]}])
def test_metadata_of_another_type_are_refused_by_key_and_value(metadata):
    with pytest.raises(
        ArtefactError, match=r'x\.st are damaged .classes: expected a list of names'
    ):
        check_metadata('x.st', metadata, {'classes': CLASSES})


def test_missing_metadata_are_told():
    number = (lambda value: isinstance(value, int), 'a number')
    with pytest.raises(ArtefactError, match=r'n: expected a number, found nothing'):
        check_metadata('x.st', {}, {'n': number})
    check_metadata('x.st', {'n': 3, 'classes': ['a']}, {'n': number, 'classes': CLASSES})


def test_tensors_of_another_dtype_do_not_fit():
    ours = {'w': torch.ones(2), 'n': torch.tensor(1)}
    assert compare_tensors(ours, ours) == []
    assert compare_tensors(ours, {'w': torch.ones(2).half(), 'n': torch.tensor(1.0)}) == [
        'w: float32 here, float16 in the file',
        'n: int64 here, float32 in the file',
    ]
