"""The task of a config: each task knows its toolbox, and only that of the config has to be there."""

from mmengine.config import Config

from labelenc_mm import toolbox
from labelenc_mm.benchmark.task import Task


def find_task(config: Config) -> Task:
    """The task of a config by its ``default_scope``, or without one by its model.

    Raises:
        ImportError: If the toolbox is missing or cannot be used.
        ValueError: If the config is of neither toolbox.
    """
    name = config.filename or 'the config'
    if not config.get('model'):
        raise ValueError(f'{name} has no model')
    scope = toolbox.toolbox_of(config)
    if scope not in ('mmdet', 'mmseg'):
        raise ValueError(f'{name}: default_scope={scope!r}; mmdet and mmseg can be measured')
    toolbox.require('mmcv', scope)
    # Here, because the other toolbox need not be there.
    if scope == 'mmdet':
        from labelenc_mm.benchmark.detectors import Detectors

        return Detectors()
    from labelenc_mm.benchmark.colorizers import Colorizers
    from labelenc_mm.benchmark.pretrainers import Pretrainers
    from labelenc_mm.benchmark.segmentors import Segmentors

    return next((kind() for kind in (Colorizers, Pretrainers) if kind.takes(config)), Segmentors())
