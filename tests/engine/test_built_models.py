"""What the entries of a config mean, in all their spellings, without a toolbox."""

import pytest
from mmengine.model import PretrainedInit

from labelenc_mm.engine.built_models import drop_pretrained

SPELLINGS = (
    'Pretrained',
    'mmengine.Pretrained',
    'mmengine.model.PretrainedInit',
    PretrainedInit,
    None,
)


@pytest.mark.parametrize('spelling', SPELLINGS)
def test_entries_that_load_a_file_are_dropped(spelling):
    pretrained = dict(checkpoint='x.pth') | ({'type': spelling} if spelling else {})
    normal = dict(type='Normal', layer='Conv2d')
    configs = [
        dict(init_cfg=pretrained),
        dict(init_cfg=[normal, pretrained]),
        dict(init_cfg=normal),
    ]
    for config in configs:
        drop_pretrained(config)
    assert configs == [{}, dict(init_cfg=[normal]), dict(init_cfg=normal)]
