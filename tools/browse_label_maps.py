"""Save pictures of the label maps that the label encoder sees (LabelEnc, sec. 3.4).

Each picture shows an image with its boxes as the pipeline of the config leaves them, and one panel
per present class with the map that is drawn from them: from masks for a detector that predicts masks,
otherwise from boxes, as in training.
"""

import argparse
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from mmengine.config import Config, DictAction

import labelenc_mm.toolbox  # also makes our models and configs known, before a config is parsed
from labelenc_mm.command_line.config import read_config, without_traceback
from labelenc_mm.engine.data.samples import build_samples, names_by_label
from labelenc_mm.files import replacing
from labelenc_mm.labels import draw_label_maps, sample_label_scales

_COLUMNS = 4


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('config', help='config of a detector; it need not be label-encoded')
    parser.add_argument(
        '--output-dir',
        help='where pictures go (default: work_dirs/<name of the config>/label_maps)',
    )
    parser.add_argument('--num', type=int, default=8, help='number of images (default: 8)')
    parser.add_argument(
        '--split', choices=['train', 'val'], default='train', help='data set (default: train)'
    )
    parser.add_argument(
        '--augment',
        action='store_true',
        help='with the value augmentation of step 1: every object is scaled by its own factor',
    )
    parser.add_argument('--seed', type=int, default=0, help='seed of all augmentation (default: 0)')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=DictAction,
        help='override entries of the config: key=value; model.labelenc.label_source=box draws '
        'boxes also for a detector that predicts masks',
    )
    return parser.parse_args(argv)


def build_dataset(cfg: Config, split: str) -> Any:
    """Build the data set of a split as mmengine's Runner would."""
    labelenc_mm.toolbox.require('mmcv', 'mmdet')
    from mmengine.registry import init_default_scope

    init_default_scope('mmdet')
    return build_samples(cfg, split)


def drawing_options(cfg: Config) -> tuple[str, bool, dict[str, Any]]:
    """What the config's detector draws, 'box' or 'mask', whether boxes are inclusive, and options."""
    from mmdet.registry import MODELS

    from labelenc_mm.detection.export import stock_config
    from labelenc_mm.detection.introspection import count_classes, predicts_masks
    from labelenc_mm.detection.label_encoding_head import sampling_offset

    if 'type' not in (cfg.get('model') or {}):
        raise ValueError('The config has no model, which decides what is drawn.')
    given = cfg.model.get('labelenc') or {}
    detector = MODELS.build(stock_config(cfg).model)
    source = given.get('label_source') or ('mask' if predicts_masks(detector) else 'box')
    options = {'num_classes': count_classes(detector)}
    convention = given.get('pixel_convention', 'exclusive')
    options['pixel_offset'] = sampling_offset(convention, given.get('pixel_offset'))
    return source, convention == 'inclusive', options


def unpack(
    item: dict[str, Any], unscaled: bool, source: str
) -> tuple[np.ndarray, torch.Tensor, Any, Any]:
    """Image (H, W, 3) BGR, boxes (N, 4), labels (N,) and, for 'mask', masks (N, H, W) of a sample.

    Args:
        item: What the pipeline gives: ``inputs`` and ``data_samples``.
        unscaled: Whether the pipeline loads boxes in coordinates of the original image, whose size the
            image then gets.
        source: 'box' or 'mask'.
    """
    from mmdet.structures.bbox import get_box_tensor

    from labelenc_mm.detection.ground_truth import missing_annotations, unpadded_size

    sample = item['data_samples']
    path = sample.metainfo.get('img_path', '<no img_path>')
    # Transforms of colours leave floats, which matplotlib would take for values in [0, 1].
    pixels = item['inputs'].permute(1, 2, 0).clamp(0, 255).to(torch.uint8)
    image = np.ascontiguousarray(pixels.numpy())
    if unscaled:
        if 'scale_factor' not in sample:
            raise ValueError(
                f'{path}: PackDetInputs keeps no scale_factor, without which the image '
                'cannot be told from its padding. Add it to meta_keys.'
            )
        (kept_height, kept_width), (height, width) = unpadded_size(sample), sample.ori_shape[:2]
        image = cv2.resize(image[:kept_height, :kept_width], (width, height))
    instances = sample.gt_instances
    missing = missing_annotations([sample], source)
    if missing:
        raise ValueError(
            f'{path}: the pipeline loads no {" and no ".join(missing)}. Add '
            'LoadAnnotations(with_bbox=True, with_mask=...) to it, choose the other --split, or have '
            'boxes drawn with --cfg-options model.labelenc.label_source=box.'
        )
    masks = instances.masks.to_tensor(torch.bool, 'cpu') if source == 'mask' else None
    return image, get_box_tensor(instances.bboxes), instances.labels, masks


def draw_picture(
    image: np.ndarray,
    boxes: torch.Tensor,
    labels: torch.Tensor,
    classes: torch.Tensor,
    maps: torch.Tensor,
    names: Sequence[str],
) -> Figure:
    """Image with boxes, and one panel per present class."""
    rows = (len(classes) + 1 + _COLUMNS - 1) // _COLUMNS
    columns = min(len(classes) + 1, _COLUMNS)
    width = 3.2
    figure = Figure(
        figsize=(width * columns, (width * image.shape[0] / image.shape[1] + 0.3) * rows),
        layout='constrained',
    )
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel in panels:
        panel.axis('off')
    # Edges of pixels at whole numbers, as in MMDetection's boxes.
    extent = (0, image.shape[1], image.shape[0], 0)
    panels[0].imshow(image[..., ::-1], extent=extent)
    panels[0].set_title(f'{len(boxes)} objects' if len(boxes) else 'no objects', fontsize=9)
    for (x1, y1, x2, y2), label in zip(boxes.tolist(), labels.tolist(), strict=True):
        panels[0].add_patch(
            Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor='yellow', linewidth=1)
        )
        name = panels[0].text(x1, y1, names[label], color='white', fontsize=6, va='bottom')
        name.set(clip_on=True, parse_math=False)  # a name may have dollar signs
    for panel, label, values in zip(panels[1:], classes.tolist(), maps.numpy(), strict=False):
        panel.imshow(values, extent=extent, vmin=0, vmax=1, cmap='inferno', interpolation='nearest')
        panel.set_title(names[label], fontsize=9, parse_math=False)
    return figure


def browse(args: argparse.Namespace) -> Path:
    """Save the pictures; returns their folder."""
    if args.num < 1:
        raise ValueError(f'--num must be at least 1, got {args.num}')
    reason = "label maps are drawn from the boxes of MMDetection's data sets"
    cfg = read_config(args.config, args.cfg_options, 'mmdet', reason)
    dataset = build_dataset(cfg, args.split)
    from labelenc_mm.detection.ground_truth import inclusive_boxes, loads_boxes_after_resize

    unscaled = loads_boxes_after_resize(dataset)
    source, inclusive, options = drawing_options(cfg)
    names = names_by_label(dataset, options['num_classes'], args.split)
    folder = Path(args.output_dir or Path('work_dirs') / Path(args.config).stem / 'label_maps')
    folder.mkdir(parents=True, exist_ok=True)
    random.seed(args.seed)
    np.random.seed(args.seed)  # noqa: NPY002  (what the toolbox's transforms draw from)
    torch.manual_seed(args.seed)
    indices = np.unique(np.linspace(0, len(dataset) - 1, args.num).round().astype(int)).tolist()
    for index in indices:
        item = dataset[index]
        path = item['data_samples'].metainfo.get('img_path', '<no img_path>')
        image, boxes, labels, masks = unpack(item, unscaled, source)
        scales = sample_label_scales(len(labels)) if args.augment else None
        drawn = boxes
        if inclusive:
            drawn = inclusive_boxes(boxes, {} if unscaled else item['data_samples'].metainfo)
        try:
            classes, maps = draw_label_maps(
                drawn, labels, image.shape[:2], masks=masks, scales=scales, **options
            )
        except ValueError as error:
            raise ValueError(f'{path}: {error}') from error
        figure = draw_picture(image, boxes, labels, classes, maps, names)
        with replacing(folder / f'{index:06d}_{Path(path).stem}.png') as unfinished:
            figure.savefig(unfinished, dpi=120)
    print(f'{len(indices)} pictures in {folder}')
    return folder


def main(argv: list[str] | None = None) -> None:
    """Run the command line; what the user can mend is told without a traceback."""
    args = parse_args(argv)
    with without_traceback():
        browse(args)


if __name__ == '__main__':
    main()
