"""Images a second of a config's training data: one worker, from the files to what a batch is made of."""

import time

from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope


def loaded_per_second(config: Config, number: int) -> float:
    """How many images of its training data one process reads and transforms in a second.

    Args:
        config: With ``train_dataloader``.
        number: Images to load; the first one, which is loaded before, does not count.

    Raises:
        ValueError: The config has no training data.
    """
    loader = config.get('train_dataloader') or {}
    if not loader.get('dataset'):
        raise ValueError(
            f'{config.filename}: no train_dataloader.dataset, whose loading could be timed'
        )
    with DefaultScope.overwrite_default_scope(config.get('default_scope')):
        dataset = DATASETS.build(loader['dataset'])
    dataset[0]
    start = time.perf_counter()
    for index in range(number):
        dataset[(index + 1) % len(dataset)]
    return number / (time.perf_counter() - start)
