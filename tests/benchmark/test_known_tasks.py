"""The task of a config is found without the other toolbox."""

import pytest

pytest.importorskip('mmseg')

from mmengine.config import Config
from segmentation_models import stock_model_config

from labelenc_mm.benchmark import find_task
from labelenc_mm.benchmark.segmentors import Segmentors


@pytest.mark.parametrize('scope', [None, 'mmseg'])
def test_task_is_found_by_scope_or_model(scope):
    config = Config(dict(model=stock_model_config('PSPNet'), default_scope=scope))
    task = find_task(config)
    assert isinstance(task, Segmentors) and task.title(config) == 'EncoderDecoder (PSPHead)'


def test_scope_that_is_no_task():
    with pytest.raises(ValueError, match="default_scope='mmpose'; mmdet and mmseg can be measured"):
        find_task(Config(dict(default_scope='mmpose', model=dict(type='Pose'))))
    with pytest.raises(ValueError, match='the config has no model'):
        find_task(Config(dict(default_scope='mmseg')))
