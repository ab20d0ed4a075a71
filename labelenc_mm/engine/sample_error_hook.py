"""Errors of the data pipeline that name the file they are about.

What loading a broken file raises depends on the decoder: OpenCV complains about an empty buffer, a
label map that is no image fails with ``'NoneType' object has no attribute 'squeeze'``, and neither
says which file it was.
"""

from typing import Any

from mmengine.dataset import Compose
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from labelenc_mm.engine.data.turned_images import TurnedImageWarning
from labelenc_mm.engine.data.wrappers import iterate_datasets
from labelenc_mm.engine.late_workers import start_workers_late
from labelenc_mm.errors import LabelEncMMError

# What names a sample in the pipelines of mmdet and mmseg.
_NAMES = ('img_path', 'seg_map_path', 'img_id', 'sample_idx')


class SampleError(LabelEncMMError, RuntimeError):
    """A sample could not be prepared; the message names it."""


class SampleNamingCompose(Compose):
    """A pipeline whose errors name the sample and the transform.

    Args:
        pipeline (Compose): The pipeline; its list of transforms is shared, not copied.
        turned (TurnedImageWarning): Looks at images as they were read.
    """

    def __init__(self, pipeline: Compose, turned: TurnedImageWarning) -> None:
        self.transforms = pipeline.transforms
        self.turned = turned

    def __call__(self, data: dict) -> dict | None:
        """Apply the transforms one after the other.

        Raises:
            SampleError: A transform failed. The message has the paths and indices of the sample.
        """
        # Taken first: transforms replace or drop entries.
        names = {name: data[name] for name in _NAMES if data.get(name) is not None}
        results: dict | None = data
        is_loaded = False
        for transform in self.transforms:
            try:
                results = transform(results)
            except Exception as error:
                sample = ', '.join(f'{name}={value!r}' for name, value in names.items())
                # One string: dataloader workers rebuild their errors from the message alone.
                raise SampleError(
                    f'{type(transform).__name__} failed for the sample with '
                    f'{sample or "neither path nor index"}: '
                    f'{type(error).__name__}: {str(error).strip()}{_remedy(transform, error)}'
                ) from error
            if results is None:
                return None
            if not is_loaded and 'ori_shape' in results:
                is_loaded = True
                self.turned.look(results)
        return results


def _remedy(transform: Any, error: Exception) -> str:
    """What to do about a sample; nothing where it may well be the pipeline that is wrong."""
    loads = type(transform).__name__.startswith('Load')
    if loads and isinstance(error, KeyError):
        return (
            f'. The data set has no {error} for it: complete its annotations, take it out, or do not '
            f'let {type(transform).__name__} ask for that.'
        )
    # Whatever a decoder says to a damaged file. A backend that is not there is not the file's fault.
    if isinstance(error, OSError) or (loads and not isinstance(error, ImportError)):
        return '. If its file is missing, empty or damaged, restore it or take it out of the annotations.'
    return ''


def name_samples(dataset: Any, turned: TurnedImageWarning | None = None) -> None:
    """Have the pipelines of a data set, and of all that it wraps, name the sample that they fail on.

    Args:
        dataset: The data set.
        turned: Warns of turned images; by default one that has not done so yet.
    """
    turned = turned or TurnedImageWarning()
    for each in iterate_datasets(dataset):
        if type(getattr(each, 'pipeline', None)) is Compose:
            each.pipeline = SampleNamingCompose(each.pipeline, turned)


@HOOKS.register_module()
class SampleErrorHook(Hook):
    """Make the pipelines of all datasets of a run name the sample that they fail on.

    ``tools/train.py`` and ``tools/test.py`` add it by themselves.
    """

    # Last of all: hooks such as PipelineSwitchHook put in new pipelines when an epoch starts.
    priority = 'LOWEST'

    def __init__(self) -> None:
        self._turned = TurnedImageWarning()  # one for all data sets of the run

    def before_run(self, runner: Any) -> None:
        """Exchange the pipelines; the loops are built by now."""
        start_workers_late(runner)
        self._exchange_pipelines(runner)

    def before_train_epoch(self, runner: Any) -> None:
        """Exchange pipelines that other hooks have put in; workers are restarted after that."""
        self._exchange_pipelines(runner)

    def _exchange_pipelines(self, runner: Any) -> None:
        for loop in (runner._train_loop, runner._val_loop, runner._test_loop):
            # A loop that this run does not use is still a config.
            dataloader = getattr(loop, 'dataloader', None)
            name_samples(getattr(dataloader, 'dataset', None), self._turned)
