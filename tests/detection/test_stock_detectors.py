"""What docs/detectors.md says of every detector of MMDetection is what comes of it."""

import re

import pytest
import torch
from mmdet.registry import MODELS
from stock_detectors import (
    CONFIGS,
    DETECTORS,
    NO_DETECTORS,
    PAGE,
    kind,
    page,
    small_model,
    train_once,
)


def test_the_page_is_that_of_the_list():
    assert PAGE.read_text(encoding='utf-8') == page(), 'run python tests/helpers/stock_detectors.py'


def test_every_folder_of_configs_is_in_the_list():
    found = {p.name for p in CONFIGS.iterdir() if p.is_dir() and not p.name.startswith('_')}
    assert found <= {config.split('/')[0] for config in DETECTORS} | NO_DETECTORS


def skip_what_is_not_installed(error):
    """A package that MMDetection asks for by name where it is used."""
    text = ' '.join(str(error).split())
    if 'please install' not in text:
        raise error
    pytest.skip(text)


@pytest.mark.slow
@pytest.mark.parametrize('config', DETECTORS)
def test_outcome(config):
    entry, expected = DETECTORS[config], kind(config)
    if not (CONFIGS / config).is_file():
        pytest.skip('this release of MMDetection has no such config')
    if expected == 'not tried':
        with pytest.raises(Exception, match=entry['message']):
            train_once(config)
        pytest.skip(entry[expected])
    if expected == 'refused':
        try:
            with pytest.raises((TypeError, ValueError), match=re.escape(entry[expected])):
                MODELS.build(small_model(config, 'autoencode'))
        except NotImplementedError as error:  # upstream's, which is no reason to refuse it
            skip_what_is_not_installed(error)
        return
    for stage in ('autoencode', 'supervise', 'one-run'):
        try:
            detector, losses = train_once(config, stage)
        except (ImportError, NotImplementedError, RuntimeError) as error:
            skip_what_is_not_installed(error)
        assert 'loss_labelenc' in losses
        assert any(key.startswith('ae_') for key in losses) == (stage != 'supervise')
        gradients = {n: p.grad for n, p in detector.named_parameters() if p.grad is not None}
        assert all(bool(gradient.isfinite().all()) for gradient in gradients.values())
        learns = {name for name, gradient in gradients.items() if bool(gradient.any())}
        for part, wanted in (
            ('backbone.', True),
            ('labelenc.adapter.', True),
            ('labelenc.encoder.', stage != 'supervise'),
        ):
            assert any(name.startswith(part) for name in learns) == wanted, part

    for at, part, trained in ((299, 'labelenc.encoder.', False), (300, 'labelenc.adapter.', True)):
        detector, losses = train_once(config, 'one-run', at=at, image_begin=0.25)
        assert all(key.startswith('ae_') for key in losses) != trained
        gradients = {n: p.grad for n, p in detector.named_parameters() if p.grad is not None}
        learns = {name for name, gradient in gradients.items() if bool(gradient.any())}
        assert any(name.startswith(part) for name in learns), part
        assert any(name.startswith('backbone.') for name in learns) == trained


FORMS_OF_THE_STOCK_DETECTOR = {
    'one run switched off': dict(stage='one-run', label_share=0),
    'step 2 switched off': dict(stage='supervise', loss_weight=0, init_head=False, init_neck=False),
    'one run before its distance': dict(stage='one-run', distance_begin=0.9),
}


@pytest.mark.slow
@pytest.mark.parametrize('config', [config for config in DETECTORS if kind(config) == 'works'])
def test_off_or_not_begun_it_is_the_stock_detector_bit_by_bit(config):
    """Losses, gradients and buffers of an iteration, from the same seed on."""
    if not (CONFIGS / config).is_file():
        pytest.skip('this release of MMDetection has no such config')
    try:
        stock = result(*train_once(config))
    except (ImportError, NotImplementedError, RuntimeError) as error:
        skip_what_is_not_installed(error)
    for name, form in FORMS_OF_THE_STOCK_DETECTOR.items():
        detector, losses = train_once(config, **form)
        assert any(key.startswith('ae_') for key in losses) == ('before' in name)
        ours = result(detector, losses)
        assert ours.keys() == stock.keys(), name
        assert [key for key in stock if not torch.equal(stock[key], ours[key])] == [], name


def result(detector, losses):
    """What an iteration makes of a detector, without what is ours."""
    found = {
        f'gradient of {n}': p.grad for n, p in detector.named_parameters() if p.grad is not None
    }
    found.update(detector.named_buffers())
    found = {key: value for key, value in found.items() if 'labelenc.' not in key}
    total = {key: torch.stack(v if isinstance(v, list) else [v]) for key, v in losses.items()}
    return found | {key: value for key, value in total.items() if not key.startswith('ae_')}
