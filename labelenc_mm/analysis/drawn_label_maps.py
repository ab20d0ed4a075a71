"""Predicted label maps and their ground truth as mmseg's visualizer draws them."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.apis import inference_model, init_model
from mmseg.visualization import SegLocalVisualizer

from labelenc_mm.analysis.comparison import enlarge, load_model
from labelenc_mm.engine.data.samples import build_samples, metainfo_of


class DrawnLabelMaps:
    """Label maps in the colours of the data set, laid over the image by mmseg's visualizer.

    Args:
        config: Of the segmentor and its validation data.
        checkpoints: Of that segmentor: files, URLs or ``last_checkpoint`` files.
        scale: Enlargement of the picture.
        device: Where the models compute.
    """

    def __init__(
        self, config: Config, checkpoints: Sequence[str], scale: float = 2.0, device: str = 'cpu'
    ) -> None:
        self.scale = scale
        self.models = [load_model(init_model, config, name, device) for name in checkpoints]
        self.dataset = build_samples(config, 'val')
        self.visualizer = SegLocalVisualizer('comparison', alpha=0.6)
        self.visualizer.dataset_meta = metainfo_of(self.dataset)

    def draw(self, image: np.ndarray, sample: Any, model: Any = None) -> np.ndarray:
        """RGB picture of the ground truth of a sample, or of what a model finds in its BGR image."""
        shown = sample.cpu() if model is None else inference_model(model, image).cpu()
        if model is None and shown.gt_sem_seg.shape != image.shape[:2]:
            label_map = shown.gt_sem_seg.data[0].numpy().astype(np.uint8)
            size = image.shape[1::-1]
            resized = cv2.resize(label_map, size, interpolation=cv2.INTER_NEAREST)
            shown.gt_sem_seg = PixelData(data=torch.from_numpy(resized)[None])
        self.visualizer.add_datasample(
            'picture',
            cv2.cvtColor(image, cv2.COLOR_BGR2RGB),
            shown,
            draw_gt=model is None,
            draw_pred=model is not None,
            with_labels=False,
        )
        return enlarge(self.visualizer.get_image(), self.scale)
