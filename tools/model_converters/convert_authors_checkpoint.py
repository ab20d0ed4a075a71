"""Convert the label encoding that the authors of LabelEnc released into one that step 2 loads.

Input is the label_encoding_function.pth that step 1 of the released code (megvii-model/LabelEnc)
writes: weights of the label encoder with its FPN and of the detection head, for RetinaNet, FCOS
(plain, improved, improved with deformable convolutions) and Faster R-CNN. Output is the
label_encoding.safetensors of our step 1, and on standard output a config for step 2. No tensor may be
unknown or missing, and all have to fit the detector of that config before anything is written.

The authors' files lie behind pages that need a browser. This tool was made from their code and is
tested on files of its layout with random weights, never on a released file.

What changes: names; Faster R-CNN's background goes from the first class to the last and its box
regression is dropped. Classes keep their order; where there are 80, they are taken for COCO's.
What the config has to say, so that the head means the same as theirs (the printed one says it):

- How object maps are drawn: the authors' boxes end at the last pixel of the original image, MMDetection's
  behind it. labelenc.pixel_convention='inclusive' turns these into those, in images that are resized and
  then flipped, and samples them at whole pixels, as the authors do: the same maps, so that label features
  differ by rounding alone. --pixel-offset 0.5 has the maps drawn from MMDetection's boxes at pixel centres
  (our default elsewhere): an object w pixels wide then decays over w in place of w - 1 pixels, and in
  images enlarged by s its centre is (s - 1) / 2 pixels off the authors'. --pixel-offset 0 is not the
  released drawing but neither: s / 2 pixels off. The config must name what the file was converted with.
- RetinaNet: ReLU between P6 and P7, anchors on the centres of their cells, box targets divided by
  (0.1, 0.1, 0.2, 0.2), smooth L1 loss with beta 0.11 and a quarter of the weight.
- FCOS: convolutions of the towers have biases (the stock config of the plain one has none). Files of
  plain and improved FCOS look alike: choose the base config by the name of the downloaded file.
- Faster R-CNN: anchors on the centres of their cells, RoIAlign of 2 x 2 samples that is not aligned,
  smooth L1 losses.
What stock heads do otherwise than the authors' all the same (their losses are those of FCOS's code, which
theirs extends):

- IoU and GIoU loss of FCOS: the authors add 1 to intersection and union, in pixels (improved: in strides),
  MMDetection does not.
- Classification loss of RetinaNet: the authors divide by the positives and the number of images,
  MMDetection by the positives, at least one an image. FCOS has the same normaliser in both.
- Anchors across the border of the image: the authors' RPN leaves them out of its loss, MMDetection's, with
  allowed_border=-1, does not (model.train_cfg.rpn.allowed_border=0 does so, to a pixel). RetinaNet learns
  from them in both.
- Image side: the authors' ResNet is Caffe's (BGR images, not divided by a standard deviation, stride
  in the first 1x1 convolution). Step 2 starts its backbone anew, so any other will do.
"""

import argparse
import contextlib
import sys
from typing import Any

from authors_layout import LayoutError, convert_authors_checkpoint
from mmengine.config import Config
from mmengine.registry import init_default_scope
from torch import Tensor

from labelenc_mm.detection.label_encoding import LABEL_ENCODING, compare_label_encoding, describe

# This also makes our models and configs known, before a config is parsed.
from labelenc_mm.handover.declaration import Artefact
from labelenc_mm.toolbox.safe_loading import CheckpointError, load_checkpoint_file

# Anchors of maskrcnn-benchmark are scaled from rounded sizes: 3 to 6 % off.
_ANCHOR_TOLERANCE = 0.1
_NUM_COCO_CLASSES = 80

_FCOS = """\
_base_ = 'mmdet::fcos/fcos_r50{base}_1x_coco.py'
model = dict(
    type='LabelEncFCOS',
    bbox_head=dict(num_classes={{num_classes}}, conv_bias=True),
    labelenc=dict({{labelenc}}),
)
"""
_IMPROVED = '_fpn_gn-head-center-normbbox-centeronreg-giou'
CONFIGS = {
    'RetinaNet': """\
_base_ = 'mmdet::retinanet/retinanet_r50-caffe_fpn_1x_coco.py'
model = dict(
    type='LabelEncRetinaNet',
    neck=dict(relu_before_extra_convs=True),
    bbox_head=dict(
        num_classes={num_classes},
        anchor_generator=dict(center_offset=0.5),
        bbox_coder=dict(target_stds=[0.1, 0.1, 0.2, 0.2]),
        loss_bbox=dict(_delete_=True, type='SmoothL1Loss', beta=0.11, loss_weight=0.25),
    ),
    labelenc=dict({labelenc}),
)
""",
    'FCOS': f"""\
# For a file of the improved FCOS (fcos_imprv_...):
# _base_ = 'mmdet::fcos/fcos_r50-caffe{_IMPROVED}_1x_coco.py'
"""
    + _FCOS.format(base='-caffe_fpn_gn-head'),
    'FCOS with deformable convolutions': _FCOS.format(base=f'-dcn-caffe{_IMPROVED}'),
    'Faster R-CNN': """\
_base_ = 'mmdet::faster_rcnn/faster-rcnn_r50-caffe_fpn_1x_coco.py'
model = dict(
    type='LabelEncFasterRCNN',
    rpn_head=dict(
        anchor_generator=dict(center_offset=0.5),
        loss_bbox=dict(_delete_=True, type='SmoothL1Loss', beta=1 / 9, loss_weight=1.0),
    ),
    roi_head=dict(
        bbox_roi_extractor=dict(roi_layer=dict(sampling_ratio=2, aligned=False)),
        bbox_head=dict(
            num_classes={num_classes},
            loss_bbox=dict(_delete_=True, type='SmoothL1Loss', beta=1.0, loss_weight=1.0),
        ),
    ),
    labelenc=dict({labelenc}),
)
""",
}
COMMON = """\
custom_imports = dict(imports=['labelenc_mm'], allow_failed_imports=False)
default_hooks = dict(reseed=dict(type='ReseedHook'))
"""


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', help='label_encoding_function.pth of the released code')
    parser.add_argument('out', help='the .safetensors file to write; an existing one is replaced')
    parser.add_argument(
        '--pixel-offset',
        type=float,
        help="draw MMDetection's boxes, sampled there inside a pixel, in place of the authors'",
    )
    return parser.parse_args(argv)


def convert(checkpoint: Any, out: str, pixel_offset: float | None = None) -> tuple[str, str]:
    """Convert a loaded checkpoint.

    Args:
        checkpoint: Content of the released code's file.
        out: Path of the file to write.
        pixel_offset: Where step 2 samples object maps of MMDetection's boxes inside a pixel; None draws the
            authors' boxes.

    Returns:
        What was written, in a line, and the config of a step 2 under it.

    Raises:
        LayoutError: Tensors are missing, unknown or of another shape than the detector's, or the anchors
            are others; ``out`` is not touched.
    """
    layout, tensors, anchors = convert_authors_checkpoint(checkpoint)
    num_classes = tensors['encoder.stem.weight'].shape[1]
    drawing = "pixel_convention='inclusive'"
    if pixel_offset is not None:
        drawing = f'pixel_offset={pixel_offset}'
    labelenc = f"stage='supervise', init_from={out!r}, {drawing}"
    text = CONFIGS[layout.name].format(num_classes=num_classes, labelenc=labelenc) + COMMON
    detector = build_detector(text)
    if anchors:
        compare_anchors(detector, anchors)
    metadata = describe(detector, coco_classes(num_classes))
    differences = compare_label_encoding(detector, Artefact(out, tensors, metadata))
    if differences:
        raise LayoutError(
            f'taken for {layout.name}, the checkpoint does not fit the detector of the released config '
            '(names are ours):\n  '
            + '\n  '.join(differences)
            + '\nFiles of the released configs alone can be converted; for a detector of your own, train '
            'step 1 here'
        )
    LABEL_ENCODING.write(out, tensors, metadata)
    return f'{layout.name}, {num_classes} classes, {len(tensors)} tensors', text


def build_detector(text: str) -> Any:
    """The detector of a config, with random weights."""
    from mmdet.registry import MODELS

    init_default_scope('mmdet')
    return MODELS.build(Config.fromstring(text, '.py').model)


def compare_anchors(detector: Any, anchors: list[Tensor]) -> None:
    """Compare the anchors of the file, whose ends are inclusive, with those of the config.

    Raises:
        LayoutError: If their number, size or place differ.
    """
    head = getattr(detector, 'rpn_head', None) or detector.bbox_head
    for level, (theirs, ours) in enumerate(
        zip(anchors, head.prior_generator.base_anchors, strict=True)
    ):
        corners = theirs.float() + theirs.new_tensor([0, 0, 1, 1]).float()
        size = (ours[:, 2:] - ours[:, :2]).repeat(1, 2)
        if corners.shape != ours.shape or ((corners - ours).abs() > _ANCHOR_TOLERANCE * size).any():
            raise LayoutError(
                f'the anchors of level {level} are not those of the released configs. In the file: '
                f'{corners.tolist()}, expected about: {ours.tolist()}'
            )


def coco_classes(num_classes: int) -> list[str] | None:
    """COCO's class names for as many classes as COCO has, otherwise None: the file has no names."""
    from mmdet.datasets import CocoDataset

    return list(CocoDataset.METAINFO['classes']) if num_classes == _NUM_COCO_CLASSES else None


def main(argv: list[str] | None = None) -> None:
    """Convert."""
    args = parse_args(argv)
    try:
        content = load_checkpoint_file(args.checkpoint)
        # What is logged meanwhile does not belong into a file that standard output may go to.
        with contextlib.redirect_stdout(sys.stderr):
            summary, config = convert(content, args.out, args.pixel_offset)
    except (CheckpointError, FileNotFoundError, LayoutError) as error:
        file = f'{args.checkpoint}: ' if isinstance(error, LayoutError) else ''  # others name it
        sys.exit(f'Not converted: {file}{error}\n{args.out} was not touched.')
    print(f'# Wrote {args.out}: {summary}. A config of step 2 under it, any backbone will do:\n')
    print(config)


if __name__ == '__main__':
    main()
