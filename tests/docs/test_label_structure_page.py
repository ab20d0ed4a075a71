"""The configs of docs/label_structure.md, as a reader would copy them."""

import re

import pytest
from doc_pages import python_blocks
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import HOOKS, MODELS

import labelenc_mm

BLOCKS = python_blocks('docs/label_structure.md')


def load(block, folder):
    """A block as a config file; a part of one stands in the config of the block before."""
    path = folder / 'config.py'
    text = BLOCKS[block]
    if '_base_ =' not in text:
        base = re.search(r'^_base_ = .*$', BLOCKS[block - 1], re.M)[0]
        text = f'{base}\n{text}'
    path.write_text(text)
    return Config.fromfile(path)


@pytest.mark.parametrize(
    ('block', 'kind'),
    [(0, 'LabelAutoEncoder'), (1, 'LabelStructureEncoderDecoder'), (2, 'EncoderDecoder')],
)
def test_configs_build(block, kind, tmp_path):
    assert len(BLOCKS) == 4
    config = load(block, tmp_path)
    init_default_scope('mmseg')
    model = MODELS.build(config.model)
    assert type(model).__name__ == kind
    if kind == 'LabelAutoEncoder':
        assert config.optim_wrapper.optimizer == dict(type='Adam', lr=1e-4)
        assert not any(key.startswith(('backbone', 'decode_head')) for key in model.state_dict())
    elif kind == 'EncoderDecoder':
        names = [type(head).__name__ for head in model.auxiliary_head]
        assert names == ['FCNHead', 'FrozenLabelDecoderHead']
    else:
        # The paper's form: PSPNet's pooled feature, the code of 128 channels, weight 0.5.
        (head,) = model.label_structure
        assert tuple(head.to_code.weight.shape) == (128, 512, 1, 1)
        assert head.loss_decode.loss_weight == 0.5
    if 'default_hooks' in BLOCKS[block]:
        HOOKS.build(config.default_hooks.label_structure)


def test_augmentation_is_that_of_the_configs():
    scope = {}
    exec(BLOCKS[3], scope)
    config = Config.fromfile(
        labelenc_mm.config('label_structure/_base_/datasets/voc12_rrc-256x256.py')
    )
    assert config.train_pipeline == scope['train_pipeline']
