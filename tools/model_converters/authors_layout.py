"""The label encoding that the released code of LabelEnc writes, under our names.

``label_encoding_function.pth`` of megvii-model/LabelEnc holds three state dicts in the layout of
maskrcnn-benchmark: ``label_encoding_function`` (encoder and its FPN), ``rpn`` (the head of a one-stage
detector, or the RPN) and ``roi_heads`` (Faster R-CNN alone).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from labelenc_mm.errors import LabelEncMMError

PARTS = ('label_encoding_function', 'rpn', 'roi_heads')

_AFFINE = ('weight', 'bias')
_TOWERS = (('cls_tower', 'cls_convs'), ('bbox_tower', 'reg_convs'))
_NUM_TOWER_CONVS = 4
_NUM_LEVELS = 5
_ANCHORS = 'rpn.anchor_generator.cell_anchors.'
# Stages of the encoder in the released code, where a single bottleneck is no sequence, and here.
_BLOCKS = {
    'stage2': '0.0',
    'stage3.0': '1.0',
    'stage3.1': '1.1',
    'stage4.0': '2.0',
    'stage4.1': '2.1',
    'stage5': '3.0',
}


class LayoutError(LabelEncMMError, ValueError):
    """A checkpoint that is not of the layout of the released code; lists the differences."""


@dataclass(frozen=True)
class Layout:
    """How the released code names the tensors of one kind of detector.

    Attributes:
        name: Of the detector.
        levels: Which stages of the encoder, counted from 1, feed the FPN.
        has_top_blocks: Whether convolutions make P6 and P7 (else a max-pool makes P6).
        modules: ``<part>.<their name>`` -> our name of every layer of the head with weight and bias.
        others: The same for single tensors.
        changes: What a tensor of the head goes through besides, by our name.
        has_anchors: Whether the file lists anchors.
    """

    name: str
    levels: tuple[int, ...]
    has_top_blocks: bool
    modules: Mapping[str, str]
    others: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, Callable[[Tensor], Tensor]] = field(default_factory=dict)
    has_anchors: bool = True

    def names(self) -> dict[str, str]:
        """Their name -> our name of every tensor that is converted."""
        modules = {**dict(_encoder_modules()), **dict(self._pyramid_modules()), **self.modules}
        names = {
            f'{theirs}.{tensor}': f'{ours}.{tensor}'
            for theirs, ours in modules.items()
            for tensor in _AFFINE
        }
        return {**names, **dict(_projections()), **self.others}

    def dropped(self) -> list[str]:
        """Their names of what a config says here."""
        return [f'{_ANCHORS}{level}' for level in range(_NUM_LEVELS)] if self.has_anchors else []

    def _pyramid_modules(self) -> Iterator[tuple[str, str]]:
        theirs, ours = 'label_encoding_function.fpn', 'pyramid'
        for index, level in enumerate(self.levels):
            yield f'{theirs}.fpn_inner{level}', f'{ours}.lateral_convs.{index}.conv'
            yield f'{theirs}.fpn_layer{level}', f'{ours}.fpn_convs.{index}.conv'
        if self.has_top_blocks:
            for index, top in enumerate(('p6', 'p7'), len(self.levels)):
                yield f'{theirs}.top_blocks.{top}', f'{ours}.fpn_convs.{index}.conv'


def _encoder_modules() -> Iterator[tuple[str, str]]:
    theirs, ours = 'label_encoding_function.body', 'encoder'
    yield f'{theirs}.stage1', f'{ours}.stem'
    for their_block, our_block in _BLOCKS.items():
        for conv in (1, 2, 3):
            yield f'{theirs}.{their_block}.con{conv}', f'{ours}.stages.{our_block}.conv{conv}'


def _projections() -> Iterator[tuple[str, str]]:
    """The projections of the first block of each stage, which have no bias."""
    for their_block, our_block in _BLOCKS.items():
        if our_block.endswith('.0'):
            yield (
                f'label_encoding_function.body.{their_block}.downsample.0.weight',
                f'encoder.stages.{our_block}.projection.weight',
            )


def _towers(layers_per_conv: int, has_norm: bool = False) -> dict[str, str]:
    """The towers of convolutions of a one-stage head: convolution, normalisation if any, ReLU."""
    modules = {}
    for theirs, ours in _TOWERS:
        for index in range(_NUM_TOWER_CONVS):
            first = index * layers_per_conv
            modules[f'rpn.head.{theirs}.{first}'] = f'head.bbox_head.{ours}.{index}.conv'
            if has_norm:
                modules[f'rpn.head.{theirs}.{first + 1}'] = f'head.bbox_head.{ours}.{index}.gn'
    return modules


def _retinanet() -> Layout:
    return Layout(
        name='RetinaNet',
        levels=(2, 3, 4),
        has_top_blocks=True,
        modules={
            **_towers(layers_per_conv=2),
            'rpn.head.cls_logits': 'head.bbox_head.retina_cls',
            'rpn.head.bbox_pred': 'head.bbox_head.retina_reg',
        },
    )


def _fcos(has_deformable_convs: bool) -> Layout:
    """The improved FCOS has the tensors of the plain one and uses them otherwise."""
    modules = {
        **_towers(layers_per_conv=3, has_norm=True),
        'rpn.head.cls_logits': 'head.bbox_head.conv_cls',
        'rpn.head.bbox_pred': 'head.bbox_head.conv_reg',
        'rpn.head.centerness': 'head.bbox_head.conv_centerness',
    }
    if has_deformable_convs:  # in place of the last convolution of each tower
        last = 3 * (_NUM_TOWER_CONVS - 1)
        for theirs, _ in _TOWERS:
            ours = modules.pop(f'rpn.head.{theirs}.{last}')
            modules[f'rpn.head.{theirs}.{last}.conv'] = ours
            modules[f'rpn.head.{theirs}.{last}.offset'] = f'{ours}.conv_offset'
    scales = {
        f'rpn.head.scales.{level}.scale': f'head.bbox_head.scales.{level}.scale'
        for level in range(_NUM_LEVELS)
    }
    return Layout(
        name='FCOS with deformable convolutions' if has_deformable_convs else 'FCOS',
        levels=(2, 3, 4),
        has_top_blocks=True,
        modules=modules,
        others=scales,
        # Shape (1,) there, () here.
        changes=dict.fromkeys(scales.values(), lambda scale: scale.reshape(())),
        has_anchors=False,
    )


def _faster_rcnn() -> Layout:
    box, head = 'roi_heads.box', 'head.roi_head.bbox_head'

    def background_last(tensor: Tensor) -> Tensor:
        return torch.cat([tensor[1:], tensor[:1]])

    def without_background(tensor: Tensor) -> Tensor:
        return tensor[4:]

    changes = {f'{head}.fc_cls.{tensor}': background_last for tensor in _AFFINE}
    changes |= {f'{head}.fc_reg.{tensor}': without_background for tensor in _AFFINE}
    return Layout(
        name='Faster R-CNN',
        levels=(1, 2, 3, 4),
        has_top_blocks=False,
        modules={
            'rpn.head.conv': 'head.rpn_head.rpn_conv',
            'rpn.head.cls_logits': 'head.rpn_head.rpn_cls',
            'rpn.head.bbox_pred': 'head.rpn_head.rpn_reg',
            # Both flatten (C, 7, 7) in this order.
            f'{box}.feature_extractor.fc6': f'{head}.shared_fcs.0',
            f'{box}.feature_extractor.fc7': f'{head}.shared_fcs.1',
            f'{box}.predictor.cls_score': f'{head}.fc_cls',
            f'{box}.predictor.bbox_pred': f'{head}.fc_reg',
        },
        changes=changes,
    )


def convert_authors_checkpoint(
    checkpoint: Any,
) -> tuple[Layout, dict[str, Tensor], list[Tensor]]:
    """Rename and rearrange the tensors of the released code's ``label_encoding_function.pth``.

    Args:
        checkpoint: Its content: a dict of state dicts.

    Returns:
        The layout that was recognised; tensors as in ``label_encoding.safetensors`` (``encoder.*``,
        ``pyramid.*``, ``head.*``); and anchors (A, 4) per level, (x1, y1, x2, y2) with inclusive ends,
        which are no tensors of a model here (empty for FCOS).

    Raises:
        LayoutError: If tensors are missing or unknown, listing all of them.
    """
    found = _flatten(checkpoint)
    layout = _recognise(found)
    names = layout.names()
    known = {*names, *layout.dropped()}
    differences = [f'{name}: missing' for name in sorted(known - found.keys())]
    differences += [f'{name}: unknown' for name in sorted(found.keys() - known)]
    if differences:
        raise LayoutError(
            f'taken for {layout.name}, the checkpoint differs from what the released code writes:\n  '
            + '\n  '.join(differences)
        )
    tensors = {}
    for theirs, ours in names.items():
        change = layout.changes.get(ours)
        tensors[ours] = change(found[theirs]) if change else found[theirs]
    return layout, tensors, [found[name] for name in layout.dropped()]


def _flatten(checkpoint: Any) -> dict[str, Tensor]:
    if not isinstance(checkpoint, Mapping) or not set(PARTS[:2]) <= checkpoint.keys():
        keys = sorted(map(str, checkpoint)) if isinstance(checkpoint, Mapping) else []
        raise LayoutError(
            f'the checkpoint has the parts {keys[:5]}, not {PARTS[0]}, {PARTS[1]} and maybe {PARTS[2]}. '
            'Give the label_encoding_function.pth of step 1, not a model_final.pth'
        )
    unknown = sorted(str(part) for part in checkpoint if part not in PARTS)
    if unknown:
        raise LayoutError(f'the checkpoint has unknown parts: {", ".join(unknown)}')
    found = {}
    for part, state in checkpoint.items():
        if not isinstance(state, Mapping):
            raise LayoutError(f'{part} is no state dict but {type(state).__name__}')
        for name, value in state.items():
            if not isinstance(value, Tensor):
                raise LayoutError(f'{part}.{name} is no tensor but {type(value).__name__}')
            found[f'{part}.{name}'] = value
    return found


def _recognise(found: Mapping[str, Tensor]) -> Layout:
    if any(name.startswith('roi_heads.') for name in found):
        return _faster_rcnn()
    if 'rpn.head.centerness.weight' in found:
        return _fcos(any('.offset.' in name for name in found))
    return _retinanet()
