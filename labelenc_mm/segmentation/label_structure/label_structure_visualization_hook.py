"""Pictures of what a segmentor predicts through the frozen decoder (Label structure, CVPR 2018, Figure 6)."""

import logging
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from mmengine.dist import master_only
from mmengine.logging import print_log
from mmengine.model import BaseTTAModel
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from mmseg.engine.hooks import SegVisualizationHook
from mmseg.registry import HOOKS
from mmseg.structures import SegDataSample

from labelenc_mm.engine.runner_state import unwrapped_model
from labelenc_mm.segmentation.label_structure.decoder_branches import (
    DecoderBranches,
    RecordedInference,
)
from labelenc_mm.segmentation.label_structure.frozen_label_encoder_head import (
    FrozenLabelEncoderHead,
)


@HOOKS.register_module()
class LabelStructureVisualizationHook(SegVisualizationHook):
    """mmseg's hook, whose pictures have one panel more for each decoder head.

    From left to right: ground truth, prediction, and the prediction through each frozen decoder, all at
    the size of the image. Which images are drawn, when, and where they go is mmseg's own::

        default_hooks = dict(
            visualization=dict(type='LabelStructureVisualizationHook', draw=True, interval=50))

    The heads read features of the segmentor's own inference, whole or sliding, so that predictions and
    metrics are what they are without the hook. Of each image only the small code is kept, and decoded
    if the image is drawn.

    Args:
        draw: Whether to draw; ``tools/test.py --show-dir`` sets it.
        interval: In validation, batches from one picture to the next; in testing mmseg's hook decides
            (the fork draws every image).
        show: Whether to show pictures in a window instead of saving them.
        wait_time: Seconds that each is shown.
        backend_args: Of the file backend through which images are read.
    """

    stock_type = SegVisualizationHook.__name__  # what an exported config has in its place

    def __init__(
        self,
        draw: bool = False,
        interval: int = 50,
        show: bool = False,
        wait_time: float = 0.0,
        backend_args: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(draw, interval, show, wait_time, backend_args)
        # What is drawn and when, mmseg's hook decides, in each family by its own rule.
        visualizer = Visualizer.get_current_instance()
        self._visualizer = _WithPanels(visualizer, self._predict)
        self._branches: DecoderBranches | None = None
        self._recording = ExitStack()
        self._record: RecordedInference | None = None
        self._outputs: Sequence[SegDataSample] = ()

    def before_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Keep the codes of this batch."""
        self._begin(runner)

    def before_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Keep the codes of this batch."""
        self._begin(runner)

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any, outputs: Sequence[SegDataSample]
    ) -> None:
        """Draw what mmseg's hook draws of a batch of validation."""
        self._end(super().after_val_iter, runner, batch_idx, data_batch, outputs)

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any, outputs: Sequence[SegDataSample]
    ) -> None:
        """Draw what mmseg's hook draws of a batch of a test."""
        self._end(super().after_test_iter, runner, batch_idx, data_batch, outputs)

    def _begin(self, runner: Runner) -> None:
        if not self.draw:
            return
        if self._branches is None:
            self._branches = DecoderBranches(unwrapped_model(runner))
            reason = _nothing_to_show(self._branches)
            if reason:
                self._branches.heads.clear()
                print_log(f'{type(self).__name__}: {reason}', 'current', logging.WARNING)
        if self._branches.heads:
            self._record = self._recording.enter_context(self._branches.record_inference())

    def _end(
        self,
        draw: Callable[..., None],
        runner: Runner,
        batch_idx: int,
        data_batch: Any,
        outputs: Sequence[SegDataSample],
    ) -> None:
        self._recording.close()
        self._outputs = outputs
        draw(runner, batch_idx, data_batch, outputs)
        self._record, self._outputs = None, ()

    def _predict(self, output: SegDataSample) -> list[SegDataSample]:
        """What each head predicts of one sample of the batch."""
        if self._branches is None or self._record is None:
            return []
        (index,) = (i for i, sample in enumerate(self._outputs) if sample is output)
        return list(self._branches.predict(self._record, index, output.metainfo).values())


class _WithPanels:
    """A visualizer whose pictures of samples go on to the right.

    Args:
        visualizer: The visualizer.
        predict: Gives more predictions of a sample that is drawn.
    """

    def __init__(
        self, visualizer: Any, predict: Callable[[SegDataSample], list[SegDataSample]]
    ) -> None:
        self._visualizer = visualizer
        self._predict = predict

    def __getattr__(self, name: str) -> Any:
        return getattr(self._visualizer, name)

    @master_only
    def add_datasample(
        self,
        name: str,
        image: np.ndarray,
        data_sample: SegDataSample,
        show: bool = False,
        wait_time: float = 0,
        step: int = 0,
    ) -> None:
        """Draw a sample on its (H, W, 3) RGB image; arguments as of mmseg's visualizer."""
        predictions = self._predict(data_sample)
        if not predictions:
            self._visualizer.add_datasample(
                name, image, data_sample, show=show, wait_time=wait_time, step=step
            )
            return
        samples = [data_sample, *predictions]
        picture = np.concatenate([self._draw(name, image, each) for each in samples], axis=1)
        if show:
            self._visualizer.show(picture, win_name=name, wait_time=wait_time)
        self._visualizer.add_image(name, picture, step)

    def _draw(self, name: str, image: np.ndarray, sample: SegDataSample) -> np.ndarray:
        """The visualizer's own picture; a file is the only way in which it hands one over."""
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / 'picture.png')
            self._visualizer.add_datasample(name, image, sample, out_file=path)
            return mmcv.imread(path, channel_order='rgb')


def _nothing_to_show(branches: DecoderBranches) -> str | None:
    """Why pictures of a run are those of mmseg's hook; None if they are not."""
    model = branches.segmentor
    if isinstance(model, BaseTTAModel):
        return (
            'test-time augmentation merges several passes; its prediction alone is drawn. Test without it '
            "to see the decoder's"
        )
    if not branches.heads:
        if any(isinstance(module, FrozenLabelEncoderHead) for module in model.modules()):
            return 'an encoder head predicts features and no labels; there is nothing more to draw'
        return (
            f'{type(model).__name__} has no FrozenLabelDecoderHead; there is nothing more to draw'
        )
    for name, head in branches.heads.items():
        if not head.is_learned:
            return (
                f'{name} holds no learned decoder, as in an exported checkpoint; there is nothing more '
                'to draw. Test a checkpoint of the training'
            )
    return None
