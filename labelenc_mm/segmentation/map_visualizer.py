"""Pictures of what is predicted at every pixel: label maps, edge strength, surface normals, depth."""

from typing import Any

import cv2
import mmcv
import numpy as np
from mmengine.dist import master_only
from mmseg.registry import VISUALIZERS
from mmseg.structures import SegDataSample
from mmseg.visualization import SegLocalVisualizer
from numpy.typing import NDArray
from torch import Tensor

from labelenc_mm.labels import VOID


@VISUALIZERS.register_module()
class MapVisualizer(SegLocalVisualizer):
    """mmseg's visualizer, which knows edges and surface normals too.

    It takes the place of mmseg's, for any of its hooks::

        visualizer = dict(type='MapVisualizer')

    ================= ============================================ ====================================
    samples with      are drawn as                                 from
    ================= ============================================ ====================================
    normals           colours: x red, y green, z blue, black: none ``gt_normals``, ``pred_normals``
    one logit         gray: the probability, white for an edge     ``gt_edge_map``, ``seg_logits``
    label map, depth  mmseg draws them
    ================= ============================================ ====================================

    The truth is on the right of the image, the prediction on the right of both.
    """

    @master_only
    def add_datasample(
        self,
        name: str,
        image: NDArray[np.uint8],
        data_sample: SegDataSample | None = None,
        draw_gt: bool = True,
        draw_pred: bool = True,
        show: bool = False,
        wait_time: float = 0,
        out_file: str | None = None,
        step: int = 0,
        with_labels: bool | None = True,
        **kwargs: Any,
    ) -> None:
        """Draw a sample on its (H, W, 3) RGB image; arguments as of mmseg's visualizer."""
        true, predicted = maps_of(data_sample) if data_sample is not None else (None, None)
        panels = [
            panel
            for panel, is_wanted in ((true, draw_gt), (predicted, draw_pred))
            if is_wanted and panel is not None
        ]
        if not panels:
            super().add_datasample(
                name,
                image,
                data_sample,
                draw_gt,
                draw_pred,
                show,
                wait_time,
                out_file,
                step,
                with_labels,
                **kwargs,
            )
            return
        size = (image.shape[1], image.shape[0])
        resized = [cv2.resize(panel, size, interpolation=cv2.INTER_NEAREST) for panel in panels]
        picture = np.concatenate([image, *resized], axis=1)
        self.set_image(picture)
        if show:
            self.show(picture, win_name=name, wait_time=wait_time)
        if out_file is not None:
            mmcv.imwrite(mmcv.rgb2bgr(picture), out_file)
        else:
            self.add_image(name, picture, step)


def maps_of(sample: SegDataSample) -> tuple[NDArray[np.uint8] | None, NDArray[np.uint8] | None]:
    """Pictures of the truth and of the prediction, None where mmseg draws or there is none."""
    if 'gt_normals' in sample or 'pred_normals' in sample:
        true, predicted = (
            normal_colors(getattr(sample, key).data) if key in sample else None
            for key in ('gt_normals', 'pred_normals')
        )
        return true, predicted
    true = predicted = None
    if 'gt_edge_map' in sample:
        true = _gray(_strength_of_labels(sample.gt_edge_map.data))
    if 'seg_logits' in sample and len(sample.seg_logits.data) == 1:
        predicted = _gray(sample.seg_logits.data)  # mmseg has taken the sigmoid
    return true, predicted


def normal_colors(normals: Tensor) -> NDArray[np.uint8]:
    """(3, H, W) vectors as (H, W, 3) RGB: as files have them, 128 for 0 and 255 for 1, black for none."""
    vectors = normals.detach().float().cpu().permute(1, 2, 0).numpy()
    colors = np.clip(np.round(128 + 127 * vectors), 0, 255).astype(np.uint8)
    return np.where(vectors.any(axis=2, keepdims=True), colors, 0).astype(np.uint8)


def _strength_of_labels(labels: Tensor) -> Tensor:
    """Labels 0 and 1 as they are, void in the middle."""
    return labels.float().masked_fill(labels == VOID, 0.5)


def _gray(strength: Tensor) -> NDArray[np.uint8]:
    """(1, H, W) numbers from 0 to 1 as (H, W, 3)."""
    level = (255 * strength[0].detach().float().cpu().clamp(0, 1)).round().numpy().astype(np.uint8)
    return np.repeat(level[..., None], 3, axis=2)
