"""Save pictures of the ground truth beside the predictions of several checkpoints."""

import argparse
import textwrap
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config, DictAction

import labelenc_mm.toolbox  # also makes our models and configs known, before a config is parsed

BORDER = 4


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config of the detector')
    parser.add_argument(
        'checkpoints', nargs='+', type=Path, help='checkpoints, or last_checkpoint files'
    )
    parser.add_argument('--titles', nargs='+', help='one per checkpoint (default: their names)')
    parser.add_argument('--out-dir', type=Path, required=True, help='where the pictures go')
    parser.add_argument('--num', type=int, default=8, help='validation images (default: 8)')
    parser.add_argument('--score-thr', type=float, default=0.3, help='lowest score (default: 0.3)')
    parser.add_argument('--scale', type=float, default=2.0, help='enlargement (default: 2)')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={})
    args = parser.parse_args(argv)
    args.titles = args.titles or [path.stem for path in args.checkpoints]
    if len(args.titles) != len(args.checkpoints):
        parser.error(f'{len(args.checkpoints)} checkpoints, but {len(args.titles)} titles')
    return args


def follow(path: Path) -> str:
    """A checkpoint's path; a ``last_checkpoint`` file is replaced by what it names."""
    return path.read_text().strip() if path.name == 'last_checkpoint' else str(path)


def add_title(picture: np.ndarray, title: str) -> np.ndarray:
    """Put a white line with the title above a (H, W, 3) uint8 picture, and a border around it."""
    line = np.full((24, picture.shape[1], 3), 255, np.uint8)
    cv2.putText(line, title, (4, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    picture = np.vstack([line, picture])
    return np.pad(picture, ((0, BORDER), (0, BORDER), (0, 0)), constant_values=255)


def main(argv: list[str] | None = None) -> None:
    """Draw the first images of the validation set."""
    args = parse_args(argv)
    labelenc_mm.toolbox.require('mmcv', 'mmdet')
    from mmdet.apis import inference_detector, init_detector
    from mmdet.registry import DATASETS
    from mmdet.visualization import DetLocalVisualizer

    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options)
    models = [init_detector(cfg, follow(path), device=args.device) for path in args.checkpoints]
    dataset = DATASETS.build(cfg.val_dataloader.dataset)
    visualizer = DetLocalVisualizer('comparison', line_width=2)
    visualizer.dataset_meta = {'palette': 'random', **dataset.metainfo}
    args.out_dir.mkdir(parents=True, exist_ok=True)
    for index in range(min(args.num, len(dataset))):
        sample = dataset[index]['data_samples']
        path = Path(sample.img_path)
        image = cv2.imread(str(path))
        size = (round(image.shape[1] * args.scale), round(image.shape[0] * args.scale))
        enlarged = cv2.cvtColor(cv2.resize(image, size), cv2.COLOR_BGR2RGB)
        panels = []
        for title, model in [('ground truth', None), *zip(args.titles, models, strict=True)]:
            shown = sample.cpu() if model is None else inference_detector(model, image).cpu()
            instances = shown.gt_instances if model is None else shown.pred_instances
            # the ground truth is in coordinates of the network input, predictions are not
            factor = args.scale / sample.scale_factor[0] if model is None else args.scale
            instances.bboxes = getattr(instances.bboxes, 'tensor', instances.bboxes) * factor
            visualizer.add_datasample(
                'picture',
                enlarged,
                shown,
                draw_gt=model is None,
                draw_pred=model is not None,
                pred_score_thr=args.score_thr,
            )
            panels.append(add_title(visualizer.get_image(), title))
        out = args.out_dir / f'{path.stem}.png'
        cv2.imwrite(str(out), cv2.cvtColor(np.hstack(panels), cv2.COLOR_RGB2BGR))
    print(f'{args.out_dir}: {args.num} pictures, from left to right ', end='')
    print(textwrap.shorten(', '.join(['ground truth', *args.titles]), 200))


if __name__ == '__main__':
    main()
