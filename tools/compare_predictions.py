"""Save pictures of the ground truth beside the predictions of several checkpoints."""

import argparse
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
import torch
from mmengine.config import Config, DictAction
from mmengine.registry import init_default_scope
from mmengine.runner import CheckpointLoader
from mmengine.structures import PixelData
from torch.nn import functional

import labelenc_mm.toolbox  # also makes our models and configs known, before a config is parsed
from labelenc_mm.command_line.config import read_config, without_traceback
from labelenc_mm.command_line.last_checkpoint import follow_record
from labelenc_mm.engine.data.samples import backend_of, build_samples, metainfo_of
from labelenc_mm.files import replacing

BORDER = 4


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config of the detector or segmentor')
    parser.add_argument(
        'checkpoints', nargs='+', help='files or URLs of checkpoints, or last_checkpoint files'
    )
    parser.add_argument('--titles', nargs='+', help='one per checkpoint (default: their names)')
    parser.add_argument(
        '--out-dir',
        type=Path,
        help='where the pictures go (default: work_dirs/<name of the config>/predictions)',
    )
    parser.add_argument('--num', type=int, default=8, help='validation images (default: 8)')
    parser.add_argument(
        '--score-thr', type=float, default=0.3, help='lowest score of a detection (default: 0.3)'
    )
    parser.add_argument('--scale', type=float, default=2.0, help='enlargement (default: 2)')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    args = parser.parse_args(argv)
    if args.num < 1:
        parser.error(f'--num {args.num}: at least one image')
    args.out_dir = args.out_dir or Path('work_dirs') / Path(args.config).stem / 'predictions'
    args.titles = args.titles or [Path(name).stem for name in args.checkpoints]
    if len(args.titles) != len(args.checkpoints):
        parser.error(f'{len(args.checkpoints)} checkpoints, but {len(args.titles)} titles')
    return args


def add_title(picture: np.ndarray, title: str) -> np.ndarray:
    """Put a white line with the title above a (H, W, 3) uint8 picture, and a border around it."""
    line = np.full((24, picture.shape[1], 3), 255, np.uint8)
    cv2.putText(line, title, (4, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    picture = np.vstack([line, picture])
    return np.pad(picture, ((0, BORDER), (0, BORDER), (0, 0)), constant_values=255)


def load(init: Callable, cfg: Config, checkpoint: str, device: str) -> Any:
    """Build a model by the toolbox's ``init`` and load a checkpoint, which may hold more than it needs.

    Raises:
        ValueError: The checkpoint lacks weights of the model, or has them in other shapes.
    """
    model = init(cfg, None, device=device)
    content = CheckpointLoader.load_checkpoint(follow_record(checkpoint), map_location='cpu')
    try:
        missing = model.load_state_dict(
            content.get('state_dict', content), strict=False
        ).missing_keys
    except RuntimeError as error:
        raise ValueError(f'{checkpoint} does not fit the config: {error}') from error
    if missing:
        names = textwrap.shorten(', '.join(missing), 200)
        raise ValueError(f'{checkpoint} does not fit the config, it lacks {names}')
    return model


class Detections:
    """Boxes and masks, drawn by mmdet's visualizer on the enlarged image."""

    def __init__(self, cfg: Config, args: argparse.Namespace) -> None:
        labelenc_mm.toolbox.require('mmcv', 'mmdet')
        from mmdet.apis import init_detector
        from mmdet.visualization import DetLocalVisualizer

        from labelenc_mm.detection.ground_truth import loads_boxes_after_resize

        self.scale, self.score_thr = args.scale, args.score_thr
        self.models = [load(init_detector, cfg, name, args.device) for name in args.checkpoints]
        self.dataset = build_samples(cfg, 'val')
        self.unscaled = loads_boxes_after_resize(self.dataset)
        self.visualizer = DetLocalVisualizer('comparison', line_width=2)
        self.visualizer.dataset_meta = {'palette': 'random', **metainfo_of(self.dataset)}

    def draw(self, image: np.ndarray, sample: Any, model: Any = None) -> np.ndarray:
        """RGB picture of the ground truth of a sample, or of what a model finds in its BGR image."""
        from mmdet.apis import inference_detector

        from labelenc_mm.detection.ground_truth import unpadded_size

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


class LabelMaps:
    """Label maps in the colours of the data set, laid over the image by mmseg's visualizer."""

    def __init__(self, cfg: Config, args: argparse.Namespace) -> None:
        labelenc_mm.toolbox.require('mmcv', 'mmseg')
        from mmseg.apis import init_model
        from mmseg.visualization import SegLocalVisualizer

        self.scale = args.scale
        self.models = [load(init_model, cfg, name, args.device) for name in args.checkpoints]
        self.dataset = build_samples(cfg, 'val')
        self.visualizer = SegLocalVisualizer('comparison', alpha=0.6)
        self.visualizer.dataset_meta = metainfo_of(self.dataset)

    def draw(self, image: np.ndarray, sample: Any, model: Any = None) -> np.ndarray:
        """RGB picture of the ground truth of a sample, or of what a model finds in its BGR image."""
        from mmseg.apis import inference_model

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


def rescale(instances: Any, size: Sequence[int], new_size: Sequence[int]) -> None:
    """Move boxes and masks from an image of ``size`` to one of ``new_size``, both (height, width, ...).

    Masks become a (N, H, W) bool tensor, without what padding lies around the image.
    """
    from mmdet.structures.bbox import get_box_tensor

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


def enlarge(image: np.ndarray, scale: float) -> np.ndarray:
    """A (H, W, 3) image, ``scale`` times as large."""
    return cv2.resize(image, (round(image.shape[1] * scale), round(image.shape[0] * scale)))


def read_image(sample: Any, backend_args: Any) -> np.ndarray:
    """The (H, W, 3) BGR image of a sample, from wherever its data set has it."""
    path = sample.metainfo.get('img_path')
    if path is None:
        raise ValueError(
            'a sample does not say where its image is: add img_path to meta_keys of the transform that '
            'packs the inputs of val_dataloader'
        )
    image = mmcv.imread(path, backend_args=backend_args)
    if image is None:
        raise ValueError(f'{path}: cannot be read as an image')
    return image


def compare(args: argparse.Namespace) -> None:
    """Draw the first images of the validation set."""
    cfg = read_config(args.config, args.cfg_options)
    toolbox = labelenc_mm.toolbox.toolbox_of(cfg)
    kind = LabelMaps if toolbox == 'mmseg' else Detections
    init_default_scope(toolbox)
    pictures = kind(cfg, args)
    num = min(args.num, len(pictures.dataset))
    args.out_dir.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for index in range(num):
        sample = pictures.dataset[index]['data_samples']
        image = read_image(sample, backend_of(pictures.dataset))
        path = Path(sample.img_path)
        panels = [add_title(pictures.draw(image, sample), 'ground truth')]
        for title, model in zip(args.titles, pictures.models, strict=True):
            panels.append(add_title(pictures.draw(image, sample, model), title))
        out = args.out_dir / f'{path.stem}.png'
        if out in written:  # of the same name in another folder
            out = out.with_name(f'{path.stem}_{index}.png')
        written.append(out)
        picture = cv2.cvtColor(np.hstack(panels), cv2.COLOR_RGB2BGR)
        with replacing(out) as unfinished:  # imwrite reports a full disk only by returning False
            unfinished.write_bytes(cv2.imencode('.png', picture)[1].tobytes())
    print(f'{args.out_dir}: {num} pictures, from left to right ', end='')
    print(textwrap.shorten(', '.join(['ground truth', *args.titles]), 200))


def main(argv: list[str] | None = None) -> None:
    """Run the command line; what the user can mend is told without a traceback."""
    args = parse_args(argv)
    with without_traceback():
        compare(args)


if __name__ == '__main__':
    main()
