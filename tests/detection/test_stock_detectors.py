"""What docs/detectors.md says of every detector of MMDetection is what comes of it."""

import re

import pytest
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
