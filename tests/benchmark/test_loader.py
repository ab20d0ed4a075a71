import time

import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS

from labelenc_mm.benchmark.loader import loaded_per_second


@DATASETS.register_module()
class SlowImages:
    """Five images, each of which takes a while."""

    def __init__(self):
        self.loaded = []

    def __len__(self):
        return 5

    def __getitem__(self, index):
        time.sleep(0.02)
        if index >= 5:
            raise IndexError
        return index


def test_speed_is_that_of_the_data():
    config = Config(dict(train_dataloader=dict(dataset=dict(type='SlowImages'))))
    assert 20 < loaded_per_second(config, 12) < 50


def test_a_config_without_data_is_refused():
    with pytest.raises(ValueError, match=r'no train_dataloader\.dataset'):
        loaded_per_second(Config(dict(model={})), 1)
