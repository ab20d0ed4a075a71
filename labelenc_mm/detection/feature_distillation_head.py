"""Vanilla distillation, the comparison of LabelEnc's Table 6 (ECCV 2020, sec. 4.4).

A trained detector stands in for the label encoding function; adapter, normalisation, distance and
schedule stay the same. Or it stands beside the function, as ``distillation`` of a label encoding head.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmengine.config import Config, ConfigDict
from mmengine.logging import print_log
from mmengine.model import BaseModule
from mmengine.runner.checkpoint import CheckpointLoader
from torch import Tensor, nn

from labelenc_mm.detection.feature_supervision_head import DISTANCE_END, FeatureSupervisionHead
from labelenc_mm.detection.introspection import (
    common_width,
    level_widths,
    measure_features,
    source_of_levels,
)
from labelenc_mm.engine.built_models import model_config
from labelenc_mm.engine.schedule import Limit
from labelenc_mm.toolbox.safe_loading import CheckpointError

_REMEDY = 'Choose teacher and student that take one of them'


@MODELS.register_module()
class FeatureDistillationHead(FeatureSupervisionHead):
    """Measures the distance between adapted image features and a frozen teacher's.

    Only backbone and neck of the teacher are built and loaded. A resumed run finds them in its own
    checkpoint and needs no file of the teacher.

    Args:
        teacher: Model config of the teacher (sec. 4.4), of which backbone and neck are used, or where
            to find it: a config of a toolbox (``'mmdet::retinanet/retinanet_r101_fpn_1x_coco.py'``) or
            the path of one.
        init_from: Checkpoint of the teacher (sec. 4.4), a path or whatever address mmengine knows;
            loaded when training starts.
        channels: Channels of the student's levels, filled in by the detector.
        data_preprocessor: The student's data preprocessor, filled in by the detector; the teacher must
            normalise images alike.
        adapter: Another block's type in place of :class:`~labelenc_mm.networks.FeatureAdaptationBlock`.
        loss_weight: Weight of the distance (sec. 4.4).
        distance_begin: When the distance starts to count, see :class:`.TrainingWindow`.
        distance_end: When it stops. By default for the last epoch, as in step 2 of LabelEnc, or, with
            ``distance_by_epoch=False``, for the last ninth.
        distance_by_epoch: Whether int limits count epochs (else iterations).
        standardize: What is brought to mean 0 and variance 1 before both sides are compared: each 'image'
            of a level, as in LabelEnc, or each 'channel' over the images of the batch, as in PKD (Cao et
            al., NeurIPS 2022).

    Raises:
        ValueError: If features of teacher and student cannot be compared level by level, or the two
            do not normalise images alike.
    """

    mismatch_advice = 'Choose a teacher whose neck gives the same levels as the student'
    missing = (
        'the teacher has no trained weights: set init_from, beside labelenc.teacher or '
        'labelenc.distillation.teacher, to its checkpoint, a path or an address'
    )
    taken = ('teacher',)

    def __init__(
        self,
        teacher: str | dict,
        channels: int,
        data_preprocessor: nn.Module,
        init_from: str | None = None,
        adapter: dict | None = None,
        loss_weight: float = 1.0,
        distance_begin: Limit = 0,
        distance_end: Limit | None = None,
        distance_by_epoch: bool = True,
        standardize: str = 'image',
    ) -> None:
        if distance_end is None:
            distance_end = DISTANCE_END[distance_by_epoch]
        super().__init__(
            distance_begin, distance_end, distance_by_epoch, loss_weight, init_from, standardize
        )
        model = teacher_model(teacher)
        check_preprocessing(data_preprocessor, model.get('data_preprocessor'))
        self.teacher = Teacher(model)
        widths = level_widths(self.teacher, self.teacher)
        width = common_width(widths, 'the teacher', model['neck'])
        if width != channels:
            raise ValueError(
                f"the student's neck has {channels} channels, the teacher's {width}; "
                'their features are compared channel by channel: choose a teacher of the same width'
            )
        self.complete(channels, adapter)
        if not loss_weight and init_from is None:
            self.mark_learned()  # no teacher is waited for

    @classmethod
    def known_from(cls, detector: Any, neck: Any, given: dict) -> dict:
        """Width of the levels and data preprocessor of the student."""
        widths = measure_features(detector, _REMEDY).widths
        channels = common_width(widths, source_of_levels(detector), neck)
        return {'channels': channels, 'data_preprocessor': detector.data_preprocessor}

    def take(self, owner: nn.Module, again: bool = False) -> None:
        """Load the teacher."""
        assert self.init_from is not None
        self.teacher.load(self.init_from)

    def targets(
        self, batch_inputs: Tensor, data_samples: Sequence[DetDataSample]
    ) -> tuple[Tensor, ...]:
        """The teacher's features: levels of shape (N, C, h_l, w_l), without gradient."""
        return self.teacher(batch_inputs)


class Teacher(BaseModule):
    """Backbone and neck of a trained detector, without gradient and always in evaluation mode.

    Args:
        model: The detector's model config.
    """

    def __init__(self, model: Mapping[str, Any]) -> None:
        super().__init__()
        self.backbone = MODELS.build(model['backbone'])
        self.neck = MODELS.build(model['neck'])

    def init_weights(self) -> None:
        """Nothing: no pretrained backbone is fetched, for the checkpoint holds all weights."""

    def load(self, path: str) -> None:
        """Load backbone and neck from a checkpoint, strictly and without running code from it.

        Raises:
            CheckpointError: If tensors are missing, left over or of another shape; lists them.
        """
        checkpoint = CheckpointLoader.load_checkpoint(path, map_location='cpu')
        state_dict = checkpoint.get('state_dict', checkpoint)
        ours: OrderedDict[str, Tensor] = OrderedDict(
            (key, value)
            for key, value in state_dict.items()
            if key.split('.')[0] in ('backbone', 'neck')
        )
        if hasattr(
            state_dict, '_metadata'
        ):  # by which modules rename the keys of older checkpoints
            ours._metadata = state_dict._metadata  # type: ignore[attr-defined]
        try:
            self.load_state_dict(ours, strict=True)
        except RuntimeError as error:
            raise CheckpointError(
                f'the teacher of labelenc: init_from={path} does not fit its backbone and neck: '
                f'{error}'
            ) from error
        print_log(f'Backbone and neck of the teacher loaded from {path}', 'current')

    @torch.no_grad()
    def forward(self, batch_inputs: Tensor) -> tuple[Tensor, ...]:
        """(N, 3, H, W) images -> levels of shape (N, C, h_l, w_l)."""
        return tuple(self.neck(self.backbone(batch_inputs)))


def teacher_model(teacher: str | dict) -> ConfigDict:
    """The model config of a teacher from itself, a toolbox's config or a path.

    Raises:
        FileNotFoundError: If there is no such config.
        ValueError: If it has no backbone or no neck.
    """
    model: Any = teacher
    if isinstance(teacher, str):
        # As `_base_`, because mmengine's own resolution of 'mmdet::' may install packages.
        base = teacher if '::' in teacher else str(Path(teacher).expanduser().resolve())
        if '::' not in teacher and not Path(base).is_file():
            raise FileNotFoundError(f'teacher={teacher}: no such config')
        config = Config.fromstring(f'_base_ = {base!r}', '.py')
        model = model_config(config) if config.get('model') else {}
    missing = [name for name in ('backbone', 'neck') if not model.get(name)]
    if missing:
        raise ValueError(
            f'the teacher has no {" and no ".join(missing)}: give the model config of a detector '
            'with both, or the config file of one'
        )
    return ConfigDict(model)


@torch.no_grad()
def check_preprocessing(student: nn.Module, teacher: dict | None) -> None:
    """Raise ValueError unless teacher and student see the same values of the same image.

    Args:
        student: The student's data preprocessor.
        teacher: Config of the teacher's.
    """
    if teacher is None:
        raise ValueError(
            'the teacher has no data_preprocessor, so that it cannot be known whether it '
            "normalises images as the student does; give the teacher's whole model config"
        )
    size = 8
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (3, size, size), generator=generator, dtype=torch.uint8)
    values = [
        module({'inputs': [image.clone()]}, False)['inputs'][..., :size, :size]
        for module in (student, MODELS.build(teacher))
    ]
    if not torch.equal(*values):
        raise ValueError(
            'teacher and student normalise images differently: the teacher has '
            f'{dict(teacher)}. Take its mean, std and order of channels over into '
            'model.data_preprocessor and start from a backbone that was pretrained with them, or '
            'choose another teacher'
        )
