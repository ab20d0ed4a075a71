"""Colorization pretrainers, to be measured beside the form that learns the colors of all pixels."""

import copy
import functools
import statistics
from typing import Any

import torch
from mmengine.config import Config, ConfigDict

from labelenc_mm.benchmark.costs import measure_peak, time_of
from labelenc_mm.benchmark.pretrainers import Pretrainers
from labelenc_mm.engine.built_models import builds_a
from labelenc_mm.pretraining import ColorizationPretrainer
from labelenc_mm.pretraining.colorization.color_heads import POINTS
from labelenc_mm.segmentation.data.gray_images import to_rgb_levels

_ROUNDS = 5


class Colorizers(Pretrainers):
    """Models of colorization, at drawn points and at all pixels."""

    image_size = (352, 352)  # sec. 3.1
    batch_size = 8  # released code

    @classmethod
    def takes(cls, config: Config) -> bool:
        """Whether a config's model is one."""
        return builds_a(ColorizationPretrainer, config.model, cls.models)

    def set_image_size(self, model: ConfigDict, size: tuple[int, int]) -> None:
        """Pad to this size, and keep points as far from the border as they are in the config's."""
        old = min(model.get('data_preprocessor', {}).get('size') or self.image_size)
        super().set_image_size(model, size)
        head = model.setdefault('decode_head', ConfigDict())
        if 'sampler' not in head:
            border = head.get('point_border')
            border = POINTS['border'] if border is None else border
            head.point_border = border * min(size) // old
        elif head.sampler is not None:
            border = head.sampler.get('border', 0) * min(size) // old
            head.sampler = ConfigDict(head.sampler, border=border)

    def stock_config(self, config: Config) -> Config:
        """The same model, trained at all pixels."""
        stock = copy.deepcopy(config)
        head = stock.model.setdefault('decode_head', ConfigDict())
        head.update(sampler=None, num_points=None, point_border=None)
        return stock

    def first_row(self, stock: Config) -> str:
        """The form that is trained at all pixels."""
        return f'all pixels, {stock.model.type}'

    def further_costs(self, step: Any) -> dict[str, float]:
        """Milliseconds, and memory on top, that the targets of a batch take."""
        model: Any = step.model
        images = model.data_preprocessor(step.fresh_batch(), True)['inputs']
        maps = to_rgb_levels(images, model.data_preprocessor).round() / 255
        head = model.decode_head
        if head.point_sampler is None:
            make = functools.partial(head.targets.everywhere, maps)
        else:
            points = head.point_sampler.draw(head.targets, maps)
            make = functools.partial(head.targets.at_points, maps, points)
        with torch.no_grad():
            peak = measure_peak(make, step.device)
            times = [time_of(make, step.device) for _ in range(_ROUNDS)]
        # By the clock on a GPU; on a CPU that of the threads, whatever else runs.
        seconds = [cpu if step.device.type == 'cpu' else wall for wall, cpu in times]
        return {
            'target_milliseconds': statistics.median(seconds) * 1e3,
            'target_mib': peak / 2**20,
        }
