"""Detections and their ground truth as mmdet's visualizer draws them."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from mmdet.apis import inference_detector, init_detector
from mmdet.structures.bbox import get_box_tensor
from mmdet.visualization import DetLocalVisualizer
from mmengine.config import Config
from torch.nn import functional

from labelenc_mm.analysis.comparison import enlarge, load_model
from labelenc_mm.detection.ground_truth import loads_boxes_after_resize, unpadded_size
from labelenc_mm.engine.data.samples import build_samples, metainfo_of


class DrawnDetections:
    """Boxes and masks, drawn by mmdet's visualizer on the enlarged image.

    Args:
        config: Of the detector and its validation data.
        checkpoints: Of that detector: files, URLs or ``last_checkpoint`` files.
        scale: Enlargement of the image.
        score_thr: Lowest score of a detection.
        device: Where the models compute.
    """

    def __init__(
        self,
        config: Config,
        checkpoints: Sequence[str],
        scale: float = 2.0,
        score_thr: float = 0.3,
        device: str = 'cpu',
    ) -> None:
        self.scale, self.score_thr = scale, score_thr
        self.models = [load_model(init_detector, config, name, device) for name in checkpoints]
        self.dataset = build_samples(config, 'val')
        self.unscaled = loads_boxes_after_resize(self.dataset)
        self.visualizer = DetLocalVisualizer('comparison', line_width=2)
        self.visualizer.dataset_meta = {'palette': 'random', **metainfo_of(self.dataset)}

    def draw(self, image: np.ndarray, sample: Any, model: Any = None) -> np.ndarray:
        """RGB picture of the ground truth of a sample, or of what a model finds in its BGR image."""
        shown = sample.cpu() if model is None else inference_detector(model, image).cpu()
        instances = shown.gt_instances if model is None else shown.pred_instances
        picture = cv2.cvtColor(enlarge(image, self.scale), cv2.COLOR_BGR2RGB)
        # Ground truth loaded before the resize is in coordinates of the network input.
        is_scaled = model is None and not self.unscaled
        rescale(instances, unpadded_size(sample) if is_scaled else image.shape[:2], picture.shape)
        self.visualizer.add_datasample(
            'picture',
            picture,
            shown,
            draw_gt=model is None,
            draw_pred=model is not None,
            pred_score_thr=self.score_thr,
        )
        return self.visualizer.get_image()


def rescale(instances: Any, size: Sequence[int], new_size: Sequence[int]) -> None:
    """Move boxes and masks from an image of ``size`` to one of ``new_size``, both (height, width, ...).

    Masks become a (N, H, W) bool tensor, without what padding lies around the image.
    """
    (height, width), (new_height, new_width) = size[:2], new_size[:2]
    boxes = get_box_tensor(instances.bboxes)
    factors = (new_width / width, new_height / height)
    instances.bboxes = boxes * boxes.new_tensor([*factors, *factors])
    if 'masks' in instances:
        masks = instances.masks
        if not isinstance(masks, torch.Tensor):
            masks = masks.to_tensor(torch.bool, 'cpu')
        pixels = masks[:, None, :height, :width].float()
        instances.masks = functional.interpolate(pixels, (new_height, new_width))[:, 0].bool()
