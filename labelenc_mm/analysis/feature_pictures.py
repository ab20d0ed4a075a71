"""Pictures of features: of a baseline, of a label-encoded detector and of the label encoder.

The paper's Figure 3 (LabelEnc, appendix C). Shown is one level of the pyramid, the L2 norm over channels,
without the padding.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch import Tensor
from torch.nn import functional

from labelenc_mm.analysis.pictures import spread_evenly
from labelenc_mm.command_line.load_trained import load_trained
from labelenc_mm.detection.ground_truth import (
    loads_boxes_after_resize,
    missing_annotations,
    scaled_to_input,
    unpadded_size,
)
from labelenc_mm.engine.data.samples import build_samples

_PANEL_WIDTH = 3.2  # inches


@dataclass
class FeatureRow:
    """What one image gives: ``image`` (H, W, 3) RGB and ``maps`` (H, W) of the feature panels."""

    name: str
    image: np.ndarray
    maps: dict[str, np.ndarray]


def load_detector(config: Config, checkpoint: str, device: str) -> Any:
    """The detector of a config with the weights of a checkpoint, for evaluation."""
    hint = 'an exported detector has no labelenc.* part'
    return load_trained(config, checkpoint, MODELS, 'mmdet', device, hint)[0]


def channel_norm(feature: Tensor, size: tuple[int, int], padded: tuple[int, int]) -> np.ndarray:
    """L2 norm over channels of a level, at the resolution of the image and without its padding.

    Args:
        feature: (1, C, h, w) level of a pyramid.
        size: (height, width) of the image in the network input.
        padded: (height, width) of the network input.
    """
    norm = feature.float().norm(dim=1, keepdim=True)
    pixels = functional.interpolate(norm, size=padded, mode='nearest')
    return pixels[0, 0, : size[0], : size[1]].cpu().numpy()


@torch.no_grad()
def make_row(
    item: dict[str, Any], detector: Any, baseline: Any | None, level: int, unscaled: bool
) -> FeatureRow:
    """The panels of one sample of the validation set.

    Args:
        item: What the pipeline gives: ``inputs`` and ``data_samples``.
        detector: The label-encoded detector.
        baseline: Another detector, if any.
        level: Level of the pyramid, from 1.
        unscaled: Whether the pipeline loads boxes in coordinates of the original image.
    """
    batch = pseudo_collate([item])
    data = detector.data_preprocessor(batch, False)
    (sample,) = data['data_samples']
    path = sample.metainfo.get('img_path', 'image')
    head = detector.labelenc
    missing = missing_annotations([sample], head.label_source) if head.draws_labels else []
    if missing:
        raise ValueError(
            f'{path}: the validation pipeline loads no {" and no ".join(missing)}, which '
            'the encoder needs. Add LoadAnnotations to it.'
        )
    size, padded = unpadded_size(sample), tuple(data['inputs'].shape[-2:])
    pyramids = {}
    if baseline is not None:
        inputs = baseline.data_preprocessor(batch, False)['inputs']
        pyramids['baseline'] = (baseline.extract_feat(inputs), tuple(inputs.shape[-2:]))
    pyramids['LabelEnc'] = (detector.extract_feat(data['inputs']), padded)
    truth = scaled_to_input(sample) if unscaled else sample
    title = 'label encoder' if head.draws_labels else 'teacher'
    pyramids[title] = (head.targets(data['inputs'], [truth]), padded)
    for name, (features, _) in pyramids.items():
        if not 1 <= level <= len(features):
            raise ValueError(f'level {level}: the {name} has levels 1 to {len(features)}')
    # Transforms of colours leave floats; images are BGR until the model normalises them.
    pixels = item['inputs'][:, : size[0], : size[1]].clamp(0, 255).to(torch.uint8)
    return FeatureRow(
        name=Path(path).stem,
        image=pixels.flip(0).permute(1, 2, 0).numpy(),
        maps={
            name: channel_norm(features[level - 1], size, whole)
            for name, (features, whole) in pyramids.items()
        },
    )


def make_rows(
    config: Config, detector: Any, baseline: Any | None = None, count: int = 4, level: int = 2
) -> dict[int, FeatureRow]:
    """Rows of validation images, spread evenly, by the number of the sample.

    Args:
        config: Of the label-encoded detector; its validation data are shown, which the baseline sees
            normalised in its own way.
        detector: The label-encoded detector.
        baseline: Another detector, if any.
        count: Images.
        level: Level of the pyramid, from 1.
    """
    dataset = build_samples(config, 'val')
    unscaled = loads_boxes_after_resize(dataset)
    return {
        index: make_row(dataset[index], detector, baseline, level, unscaled)
        for index in spread_evenly(count, len(dataset))
    }


def draw_rows(rows: list[FeatureRow], scale: str = 'row') -> Figure:
    """A figure with a row per image; feature panels of a row share a colour scale, or have their own."""
    titles = ['image', *rows[0].maps]
    heights = [_PANEL_WIDTH * row.image.shape[0] / row.image.shape[1] for row in rows]
    figure = Figure(
        figsize=(_PANEL_WIDTH * len(titles) + 0.6, sum(heights) + 0.35), layout='constrained'
    )
    axes = figure.subplots(len(rows), len(titles), squeeze=False, height_ratios=heights)
    for row, panels in zip(rows, axes, strict=True):
        panels[0].imshow(row.image)
        low = min(values.min() for values in row.maps.values())
        high = max(values.max() for values in row.maps.values())
        for panel, values in zip(panels[1:], row.maps.values(), strict=True):
            limits = (low, high) if scale == 'row' else (values.min(), values.max())
            shown = panel.imshow(values, vmin=limits[0], vmax=limits[1], interpolation='nearest')
            if scale == 'panel':
                figure.colorbar(shown, ax=panel)
        if scale == 'row':
            figure.colorbar(shown, ax=panels, fraction=0.03, pad=0.01)
        for panel in panels:
            panel.axis('off')
    for panel, title in zip(axes[0], titles, strict=True):
        panel.set_title(title, fontsize=10)
    return figure
