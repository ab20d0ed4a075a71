"""Controls: a random encoder, the labels of other images, an encoder of another training."""

import pytest
import torch
from detection_models import SMALL_ENCODER, build, data, small_model_config, training_at
from mmdet.registry import MODELS
from training_runs import ENCODING, shared_step1

from labelenc_mm.handover.artefact import load_tensors
from labelenc_mm.handover.frozen_part import without_files
from labelenc_mm.networks import feature_distance


def test_a_random_encoder_is_frozen_and_needs_no_file():
    detector = build('small', 'supervise', random_encoder=True)
    head = detector.labelenc
    config = dict(stage='supervise', encoder=SMALL_ENCODER, random_encoder=True)
    model = small_model_config()
    model.update(type=f'LabelEnc{model.type}', labelenc=config)
    # Built without the help of tests, which call every encoder a learned one.
    MODELS.build(model).labelenc.check_is_learned()
    assert not any(p.requires_grad for p in head.encoder.parameters())
    with training_at(600):
        losses = detector(**data(detector), mode='loss')
    losses['loss_labelenc'].backward()
    assert 0 < float(losses['loss_labelenc'].detach()) < 4
    with pytest.raises(ValueError, match='leave init_from and encoder_from out'):
        build('small', 'supervise', random_encoder=True, init_from='file')


@pytest.mark.parametrize('stage', ['autoencode', 'supervise', 'one-run'])
def test_shuffled_labels_are_those_of_another_image(stage, monkeypatch):
    share = dict(label_share=1.0) if stage == 'one-run' else {}
    detector = build('small', stage, shuffle_labels=True, **share)
    head, seen = detector.labelenc, {}
    encode = head.encode
    monkeypatch.setattr(head, 'encode', lambda *a: seen.setdefault('labels', encode(*a)))
    distance = head.distance
    monkeypatch.setattr(head, 'distance', lambda a, b: (seen.update(compared=b), distance(a, b))[1])
    batch = data(detector)
    with training_at(600):
        detector(**batch, mode='loss')
    for level, compared in zip(seen['labels'], seen['compared'], strict=True):
        assert torch.equal(compared[0], level[1]) and torch.equal(compared[1], level[0])
    monkeypatch.undo()
    one = dict(inputs=batch['inputs'][:1], data_samples=batch['data_samples'][:1])
    with training_at(600), pytest.raises(ValueError, match='give larger batches'):
        detector(**one, mode='loss')


def test_by_channel_what_is_the_same_everywhere_does_not_count():
    head, plain = (
        build('small', 'supervise', random_encoder=True, **options).labelenc
        for options in (dict(standardize='channel'), {})
    )
    plain.load_state_dict(head.state_dict())
    levels = [torch.randn(2, 16, size, size) for size in (8, 4)]
    shifts = 5 * torch.randn(1, 16, 1, 1)
    shifted = [level + shifts for level in levels]
    losses = [h.loss(levels, t)['loss_labelenc'] for h in (head, plain) for t in (levels, shifted)]
    torch.testing.assert_close(losses[0], losses[1])
    assert abs(losses[2] - losses[3]) > 0.05
    adapted = head.adapter(levels)
    expected, _ = feature_distance(adapted, levels, by_channel=True)
    torch.testing.assert_close(losses[0], expected)
    with pytest.raises(ValueError, match=r"labelenc\.standardize must be .* got 'pixel'"):
        build('small', 'supervise', standardize='pixel')


def test_the_encoder_of_another_training(tmp_path):
    from mmengine.config import Config
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file
    from training_configs import STEP2, write_config
    from training_runs import shared_data

    path = shared_step1().work_dir / ENCODING
    with safe_open(path, 'pt') as file:
        metadata = file.metadata()
    other = tmp_path / 'other.safetensors'
    save_file({key: value + 1 for key, value in load_file(path).items()}, other, metadata)
    config = Config.fromfile(write_config(tmp_path / 'c.py', shared_data(), STEP2, step1=path))
    config.model.labelenc.encoder_from = str(other)
    detector = MODELS.build(config.model)
    detector.init_weights()
    tensors, _ = load_tensors(path)
    head = {k: v for k, v in tensors.items() if k.startswith('head.bbox_head.')}
    state = detector.state_dict()
    assert head and all(torch.equal(state[key[5:]], value) for key, value in head.items())
    for key, value in tensors.items():
        if key.startswith(('encoder.', 'pyramid.')):
            assert torch.equal(state[f'labelenc.{key}'], value + 1), key
    gone = str(tmp_path / 'gone.safetensors')
    config.model.labelenc.encoder_from = gone
    with pytest.raises(FileNotFoundError, match=rf'labelenc\.encoder_from.*{gone}'):
        MODELS.build(config.model).init_weights()
    options = without_files(config.model)
    assert options.labelenc.encoder_from is options.labelenc.init_from is None
    MODELS.build(options)
