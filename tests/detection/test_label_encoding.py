"""What step 1 hands to step 2, and what is refused."""

from pathlib import Path

import pytest
import torch
from detection_models import SMALL_ENCODER, build, small_model_config
from mmdet.models.necks import FPN

from labelenc_mm.detection.label_encoding import (
    load_label_encoding,
    save_label_encoding,
)
from labelenc_mm.handover.artefact import ArtefactError, load_tensors, save_tensors

CLASSES = [f'class {index}' for index in range(80)]


@pytest.fixture
def step1():
    torch.manual_seed(1)
    return build('small')


@pytest.fixture
def path(step1, tmp_path):
    path = str(tmp_path / 'label_encoding.safetensors')
    save_label_encoding(step1, step1.state_dict(), path, CLASSES)
    return path


def test_step_2_takes_encoder_pyramid_head_and_neck_but_no_backbone(step1, path):
    torch.manual_seed(2)
    step2 = build('small', 'supervise', init_from=path)
    ours, theirs = step2.state_dict(), step1.state_dict()
    for key, value in ours.items():
        if key.startswith(('labelenc.encoder.', 'labelenc.pyramid.', 'bbox_head.')):
            assert torch.equal(value, theirs[key]), key
        elif key.startswith('neck.'):  # from the pyramid, as the released code does
            pyramid_key = key.replace('neck.', 'labelenc.pyramid.')
            if value.shape == theirs[pyramid_key].shape:
                assert torch.equal(value, theirs[pyramid_key]), key
    assert not torch.equal(ours['backbone.conv1.weight'], theirs['backbone.conv1.weight'])
    adapter = 'labelenc.adapter.layers.0.weight'
    assert not torch.equal(ours[adapter], theirs[adapter])
    assert int(step2.labelenc.encoder_is_loaded) == 1


def test_file_holds_the_three_parts_and_what_must_agree(step1, path):
    tensors, metadata = load_tensors(path)
    prefixes = {key.split('.')[0] for key in tensors}
    assert prefixes == {'encoder', 'pyramid', 'head'}
    heads = {key for key in step1.state_dict() if key.startswith('bbox_head.')}
    assert {key for key in tensors if key.startswith('head.')} == {f'head.{key}' for key in heads}
    assert metadata['classes'] == CLASSES
    assert metadata['detector'] == 'RetinaNet'
    assert metadata['head'] == {'bbox_head': 'RetinaHead'}
    assert metadata['neck'] == 'FPN'


@pytest.mark.parametrize('part', ['init_head', 'init_neck'])
def test_head_and_neck_can_be_left_out(step1, path, part):
    torch.manual_seed(2)
    plain = build('small', 'supervise')
    torch.manual_seed(2)
    step2 = build('small', 'supervise', init_from=path, **{part: False})
    prefix = 'bbox_head.' if part == 'init_head' else 'neck.'
    for key, value in step2.state_dict().items():
        if key.startswith(prefix):
            assert torch.equal(value, plain.state_dict()[key]), key


def test_another_backbone_takes_the_same_file(path, caplog):
    model = small_model_config()
    model.backbone.update(depth=50)
    model.neck.in_channels = [32, 64, 128, 256]
    step2 = build('small', 'supervise', model=model, init_from=path)
    tensors, _ = load_tensors(path)
    state = step2.state_dict()
    for key, value in tensors.items():
        if key.startswith('pyramid.'):
            assert torch.equal(state[f'labelenc.{key}'], value)
            neck = state[key.replace('pyramid.', 'neck.')]
            assert torch.equal(neck, value) == (neck.shape == value.shape), key


@pytest.mark.parametrize(
    'spelling', ['mmdet.FPN', 'mmdet.models.FPN', f'{FPN.__module__}.FPN', FPN]
)
def test_types_are_compared_by_what_they_mean(step1, path, tmp_path, spelling):
    """mmengine dumps the classes of a config in the new style as paths."""
    model = small_model_config()
    model.neck.type = spelling
    assert int(build('small', 'supervise', model, init_from=path).labelenc.encoder_is_loaded) == 1
    other = str(tmp_path / 'other.safetensors')
    step1.labelenc.neck_config = model.neck
    save_label_encoding(step1, step1.state_dict(), other, CLASSES)
    assert load_tensors(other)[1]['neck'] == 'FPN'
    assert int(build('small', 'supervise', init_from=other).labelenc.encoder_is_loaded) == 1


@pytest.mark.parametrize('spelling', ['mmdet.FPN', 'mmdet.models.necks.fpn.FPN'])
def test_files_that_hold_the_spelling_of_their_config_are_read(path, tmp_path, spelling):
    tensors, metadata = load_tensors(path)
    former = str(tmp_path / 'former.safetensors')
    save_tensors(former, tensors, {**metadata, 'neck': spelling})
    assert int(build('small', 'supervise', init_from=former).labelenc.encoder_is_loaded) == 1


def test_a_type_named_in_a_file_is_not_imported(path, tmp_path, monkeypatch):
    tensors, metadata = load_tensors(path)
    (tmp_path / 'imported_by_a_file.py').write_text('raise SystemExit')
    monkeypatch.syspath_prepend(tmp_path)
    foreign = str(tmp_path / 'foreign.safetensors')
    save_tensors(foreign, tensors, {**metadata, 'neck': 'imported_by_a_file.Neck'})
    with pytest.raises(ArtefactError, match='neck: "FPN" here, "Neck" in the file'):
        build('small', 'supervise', init_from=foreign)


def test_leaving_the_head_out_is_advised_where_it_helps(path):
    model = small_model_config()
    model.bbox_head.type = 'FreeAnchorRetinaHead'
    with pytest.raises(ArtefactError, match=r'labelenc\.init_head=False'):
        build('small', 'supervise', model, init_from=path)
    model = small_model_config()
    model.neck.type = 'PAFPN'
    with pytest.raises(ArtefactError) as error:
        build('small', 'supervise', model, init_from=path)
    assert 'init_head' not in str(error.value)


def test_only_the_head_strides_of_the_encoder_feed_a_narrower_neck():
    detector = build('YOLOX')
    assert detector.labelenc.encoder_outputs == (1, 2, 3)
    assert detector.labelenc.pyramid.in_channels == list(SMALL_ENCODER['out_channels'][1:])


@pytest.mark.parametrize(
    'change, messages',
    [
        (
            dict(num_classes=3),
            ['num_classes: 3 here, 80 in the file', 'encoder.stem.weight: shape'],
        ),
        (dict(neck='PAFPN'), ['neck: "PAFPN" here, "FPN" in the file']),
        (dict(head='FreeAnchorRetinaHead'), ['head: {"bbox_head": "FreeAnchorRetinaHead"}']),
        (dict(encoder=dict(SMALL_ENCODER, stem_channels=16)), ['encoder.stem.weight: shape (16']),
        (dict(pixel_offset=0), ['pixel_offset: 0.0 here, 0.5 in the file']),
        (
            dict(pixel_convention='inclusive'),
            [
                'pixel_convention: "inclusive" here, "exclusive" in the file',
                'pixel_offset: 0.0 here',
            ],
        ),
    ],
)
def test_differences_are_listed_and_nothing_is_loaded(path, change, messages):
    model = small_model_config(change.get('num_classes', 80))
    if 'neck' in change:
        model.neck.type = change['neck']
    if 'head' in change:
        model.bbox_head.type = change['head']
    names = ('encoder', 'pixel_offset', 'pixel_convention')
    options = {key: change[key] for key in names if key in change}
    step2 = build('small', 'supervise', model=model, **options)
    before = {key: value.clone() for key, value in step2.state_dict().items()}
    with pytest.raises(ArtefactError) as error:
        load_label_encoding(step2, path)
    assert all(message in str(error.value) for message in messages), str(error.value)
    assert path in str(error.value)
    assert all(torch.equal(value, before[key]) for key, value in step2.state_dict().items())


def test_a_file_that_names_no_convention_was_drawn_from_exclusive_boxes(path, tmp_path):
    tensors, metadata = load_tensors(path)
    assert metadata.pop('pixel_convention') == 'exclusive'
    old = str(tmp_path / 'old.safetensors')
    save_tensors(old, tensors, metadata)
    assert int(build('small', 'supervise', init_from=old).labelenc.encoder_is_loaded) == 1
    inclusive = build('small', 'supervise', pixel_convention='inclusive')
    with pytest.raises(ArtefactError, match='pixel_convention: "inclusive" here, "exclusive" in'):
        load_label_encoding(inclusive, old)


def test_another_head_is_fine_when_it_is_not_taken(path):
    model = small_model_config()
    model.bbox_head.type = 'FreeAnchorRetinaHead'
    step2 = build('small', 'supervise', model=model, init_from=path, init_head=False)
    assert int(step2.labelenc.encoder_is_loaded) == 1


def test_missing_foreign_and_truncated_files(tmp_path):
    detector = build('small', 'supervise')
    with pytest.raises(FileNotFoundError, match='Train step 1 first'):
        load_label_encoding(detector, str(tmp_path / 'missing.safetensors'))
    foreign = str(tmp_path / 'foreign.safetensors')
    save_tensors(foreign, {'x': torch.zeros(1)}, {'kind': 'something else'})
    with pytest.raises(
        ArtefactError, match='no label encoding.*something else.*give the label_enc'
    ):
        load_label_encoding(detector, foreign)
    broken = tmp_path / 'broken.safetensors'
    broken.write_bytes(Path(foreign).read_bytes()[:-2])
    with pytest.raises(ArtefactError, match='broken.safetensors'):
        load_label_encoding(detector, str(broken))


def test_classes_are_compared_by_name_and_order(path):
    detector = build('small', 'supervise', init_from=path)
    detector.labelenc.check_labels(dict(classes=CLASSES))
    swapped = [CLASSES[1], CLASSES[0], *CLASSES[2:]]
    with pytest.raises(ArtefactError, match=r"0: 'class 1' \(step 1: 'class 0'\)"):
        detector.labelenc.check_labels(dict(classes=swapped))
    with pytest.raises(ArtefactError, match=r'79 classes \(step 1: 80\)'):
        detector.labelenc.check_labels(dict(classes=CLASSES[:-1]))


def test_a_checkpoint_of_step_1_in_load_from_is_noticed(step1):
    """It would bring backbone, neck and adapter as well: the marker of a loaded encoder is 0."""
    step2 = build('small', 'supervise')
    step2.load_state_dict(step1.state_dict())
    with pytest.raises(RuntimeError, match='load_from'):
        step2.labelenc.check_is_learned()


@pytest.mark.parametrize('classes', [5, 'cat', [1, 2]])
def test_damaged_class_names_name_the_file(path, classes):
    tensors, metadata = load_tensors(path)
    save_tensors(path, tensors, {**metadata, 'classes': classes})
    with pytest.raises(ArtefactError, match=r'label_encoding\.safetensors are damaged .classes'):
        build('small', 'supervise', init_from=path)


def test_a_file_of_half_precision_is_refused(path):
    tensors, metadata = load_tensors(path)
    save_tensors(path, {key: value.half() for key, value in tensors.items()}, metadata)
    with pytest.raises(ArtefactError, match='float32 here, float16 in the file'):
        build('small', 'supervise', init_from=path)
