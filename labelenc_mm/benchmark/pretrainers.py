"""Denoising pretrainers, to be measured beside the form that trains the encoder, too."""

import copy
import functools
import statistics
from typing import Any

import torch
from mmengine.config import Config
from mmseg.structures import SegDataSample

from labelenc_mm.benchmark.costs import time_of
from labelenc_mm.benchmark.segmentors import Segmentors
from labelenc_mm.benchmark.workload import Workload, make_scenes
from labelenc_mm.engine.built_models import builds_a
from labelenc_mm.pretraining import DenoisingDecoderPretrainer

_ROUNDS = 5


class Pretrainers(Segmentors):
    """Models of denoising pretraining: DDeP, whose encoder is frozen, beside DeP, which trains all."""

    image_size = (224, 224)  # DDeP, sec. 5.1
    batch_size = 8

    @classmethod
    def takes(cls, config: Config) -> bool:
        """Whether a config's model is one."""
        return builds_a(DenoisingDecoderPretrainer, config.model, cls.models)

    def stock_config(self, config: Config) -> Config:
        """The same model in the form of DeP."""
        if config.model.get('encoder') in ((), []):
            raise ValueError(
                f'{config.filename}: model.encoder=() is DeP, what DDeP is compared with; name by --baseline '
                'what to compare it with'
            )
        stock = copy.deepcopy(config)
        stock.model.encoder = ()
        return stock

    def first_row(self, stock: Config) -> str:
        """The form that trains all."""
        return f'DeP, {self.title(stock)}'

    def make_batch(self, workload: Workload, model: Any) -> dict[str, list]:
        """Images without labels."""
        scenes = list(make_scenes(workload, workload.num_present))
        samples = [SegDataSample(metainfo=scene.metainfo) for scene in scenes]
        return {'inputs': [scene.image for scene in scenes], 'data_samples': samples}

    def further_costs(self, step: Any) -> dict[str, float]:
        """Milliseconds that the corruption of a batch takes."""
        images = step.model.data_preprocessor(step.fresh_batch(), True)['inputs']
        corrupt = functools.partial(step.model.corruption, images)
        with torch.no_grad():
            corrupt()
            seconds = [time_of(corrupt, step.device)[0] for _ in range(_ROUNDS)]
        return {'noise_milliseconds': statistics.median(seconds) * 1e3}
