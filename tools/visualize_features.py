"""Save a picture of features: of a baseline, of a label-encoded detector and of the label encoder.

The paper's Figure 3 (LabelEnc, appendix C). A row for every validation image: the image, features of the
baseline (if one is given), of the detector and of the encoder (or teacher) that it was trained towards.
Shown is one level of the pyramid, the L2 norm over channels, without the padding. Panels of a row share
a colour scale; --scale panel gives each its own, for nothing ties the size of features to the encoder's.

The baseline sees the images of CONFIG's validation pipeline, normalised in its own way.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from torch import Tensor
from torch.nn import functional

# This also makes our models and configs known, before a config is parsed, and loading safe.
import labelenc_mm.toolbox
from labelenc_mm.command_line.config import read_config, without_traceback
from labelenc_mm.engine.data.samples import build_samples
from labelenc_mm.files import replacing

_PANEL_WIDTH = 3.2  # inches


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of a label-encoded training, step 1 or 2')
    parser.add_argument(
        'checkpoint', help='its checkpoint, e.g. epoch_12.pth; no exported detector'
    )
    parser.add_argument(
        '--baseline',
        nargs=2,
        metavar=('CONFIG', 'CHECKPOINT'),
        help='the same detector, trained plainly',
    )
    parser.add_argument(
        '--output-dir', help='where features.png goes (default: work_dirs/<name of the config>)'
    )
    parser.add_argument(
        '--per-image', action='store_true', help='a picture per image, instead of one of all'
    )
    parser.add_argument('--num', type=int, default=4, help='images, spread evenly (default: 4)')
    parser.add_argument(
        '--level', type=int, default=2, help='level of the pyramid, the finest is 1 (default: 2)'
    )
    parser.add_argument(
        '--scale', choices=['row', 'panel'], default='row', help='colour scales (default: row)'
    )
    parser.add_argument('--device', default='cpu', help='where features are computed')
    parser.add_argument(
        '--cfg-options', nargs='+', action=DictAction, help='override entries of CONFIG: key=value'
    )
    return parser.parse_args(argv)


@dataclass
class Row:
    """What one image gives: ``image`` (H, W, 3) RGB and ``maps`` (H, W) of the feature panels."""

    name: str
    image: np.ndarray
    maps: dict[str, np.ndarray]


def load_detector(config: Config, checkpoint: str, device: str) -> Any:
    """The detector of a config with the weights of a checkpoint, for evaluation."""
    from mmdet.registry import MODELS

    from labelenc_mm.command_line.load_trained import load_trained

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
) -> Row:
    """The panels of one sample of the validation set.

    Args:
        item: What the pipeline gives: ``inputs`` and ``data_samples``.
        detector: The label-encoded detector.
        baseline: Another detector, if any.
        level: Level of the pyramid, from 1.
        unscaled: Whether the pipeline loads boxes in coordinates of the original image.
    """
    from mmengine.dataset import pseudo_collate

    from labelenc_mm.detection.ground_truth import (
        missing_annotations,
        scaled_to_input,
        unpadded_size,
    )

    batch = pseudo_collate([item])
    data = detector.data_preprocessor(batch, False)
    (sample,) = data['data_samples']
    path = sample.metainfo.get('img_path', 'image')
    head = detector.labelenc
    is_encoder = hasattr(head, 'encode')
    missing = missing_annotations([sample], head.label_source) if is_encoder else []
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
    title = 'label encoder' if is_encoder else 'teacher'
    pyramids[title] = (head.targets(data['inputs'], [truth]), padded)
    for name, (features, _) in pyramids.items():
        if not 1 <= level <= len(features):
            raise ValueError(f'--level {level}: the {name} has levels 1 to {len(features)}')
    # Transforms of colours leave floats; images are BGR until the model normalises them.
    pixels = item['inputs'][:, : size[0], : size[1]].clamp(0, 255).to(torch.uint8)
    return Row(
        name=Path(path).stem,
        image=pixels.flip(0).permute(1, 2, 0).numpy(),
        maps={
            name: channel_norm(features[level - 1], size, whole)
            for name, (features, whole) in pyramids.items()
        },
    )


def draw_rows(rows: list[Row], scale: str = 'row') -> Figure:
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


def visualize(args: argparse.Namespace) -> list[Path]:
    """Save the pictures and return their paths."""
    labelenc_mm.toolbox.require('mmcv', 'mmdet')
    from labelenc_mm.detection.ground_truth import loads_boxes_after_resize

    if args.num < 1:
        raise ValueError(f'--num must be at least 1, got {args.num}')
    reason = "features are shown of MMDetection's"
    config = read_config(args.config, args.cfg_options, 'mmdet', reason)
    if not config.get('model', {}).get('labelenc'):
        raise ValueError(
            f'{args.config} is no config of a label-encoded detector (model.labelenc).'
        )
    init_default_scope('mmdet')
    detector = load_detector(config, args.checkpoint, args.device)
    baseline = None
    if args.baseline:
        path, checkpoint = args.baseline
        baseline = load_detector(read_config(path, None, 'mmdet', reason), checkpoint, args.device)
    dataset = build_samples(config, 'val')
    unscaled = loads_boxes_after_resize(dataset)
    indices = np.unique(np.linspace(0, len(dataset) - 1, args.num).round().astype(int)).tolist()
    rows = [make_row(dataset[i], detector, baseline, args.level, unscaled) for i in indices]

    folder = Path(args.output_dir or Path('work_dirs') / Path(args.config).stem)
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {folder / 'features.png': rows}
    if args.per_image:
        pictures = {
            folder / f'features_{index:06d}_{row.name}.png': [row]
            for index, row in zip(indices, rows, strict=True)
        }
    for path, content in pictures.items():
        with replacing(path) as unfinished:
            draw_rows(content, args.scale).savefig(unfinished, dpi=120)
    return list(pictures)


def main(argv: list[str] | None = None) -> None:
    """Run the command line; what the user can mend is told without a traceback."""
    args = parse_args(argv)
    with without_traceback():
        paths = visualize(args)
    print('\n'.join(map(str, paths)))


if __name__ == '__main__':
    main()
