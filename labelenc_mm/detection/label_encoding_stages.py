"""The stages of the label encoding head: what differs between the steps of LabelEnc (ECCV 2020, sec. 3)."""

from typing import Any

from mmdet.registry import MODELS
from torch import nn

from labelenc_mm.detection.feature_supervision_head import DISTANCE_END
from labelenc_mm.detection.label_encoding import load_label_encoding
from labelenc_mm.detection.label_encoding_head import LabelEncodingHead
from labelenc_mm.engine.schedule import Limit


@MODELS.register_module()
class LabelEncodingLearner(LabelEncodingHead):
    """Step 1: the label encoding function is learned together with a detector (sec. 3.2).

    Args:
        joint: Whether it learns from the images, too. With False only the reconstruction loss is left
            (Table 2 and 5, 'reconstruction loss only'): backbone, neck and adapter rest, and no image is
            needed, see :class:`~labelenc_mm.detection.LoadBlankImage`.
        distance_begin: When the distance starts to count, by default after a quarter (sec. 4.1).
        options: As in :class:`LabelEncodingHead`.
    """

    stage = 'autoencode'
    step = 'step 1'
    learns_labels = True
    learns = True
    foreign = {
        'init_from': (
            None,
            "labelenc.init_from belongs to stage='supervise'; step 1 learns what it holds: leave it out",
        ),
        'init_head': (True, "labelenc.init_head belongs to stage='supervise'; leave it out"),
        'init_neck': (True, "labelenc.init_neck belongs to stage='supervise'; leave it out"),
    }

    def __init__(
        self, joint: bool = True, distance_begin: Limit | None = None, **options: Any
    ) -> None:
        if distance_begin is None:
            distance_begin = 0.25
        super().__init__(distance_begin=distance_begin, **options)
        self.joint = joint

    def check_is_learned(self) -> None:
        """It learns."""

    def is_distance_active(self) -> bool:
        """Whether the distance counts: never without images, else by the schedule."""
        return self.joint and super().is_distance_active()


@MODELS.register_module()
class FrozenLabelEncodingHead(LabelEncodingHead):
    """Step 2: a detector is trained under the frozen function (sec. 3.3).

    Args:
        init_from: ``label_encoding.safetensors`` of step 1, loaded when step 2 starts (sec. 3.3); our
            ``--resume`` does without. Encoder and pyramid come from it also where ``load_from`` names a
            checkpoint that has others.
        init_head: Whether step 2 also starts from the head of step 1 (sec. 3.3 and Table 5,
            'initialization').
        init_neck: Whether step 2 starts its neck from the pyramid of step 1, tensors of equal shape
            only (the released code, which does so together with the head: both are 'initialization'
            here).
        distance_end: When the distance stops, by default for the last epoch or ninth (sec. 4.1).
        distance_by_epoch: Whether int limits count epochs (else iterations).
        options: As in :class:`LabelEncodingHead`.
    """

    stage = 'supervise'
    step = 'step 2'
    missing = (
        'step 2 has no label encoding: set labelenc.init_from to the label_encoding.safetensors of '
        'step 1 (and do not give a checkpoint of step 1 to load_from, which would bring its backbone, '
        'neck and adapter as well)'
    )
    foreign = {
        'joint': (
            True,
            "labelenc.joint=False belongs to stage='autoencode'; step 2 trains a detector and needs the "
            'images',
        )
    }

    def __init__(
        self,
        init_from: str | None = None,
        init_head: bool = True,
        init_neck: bool = True,
        distance_end: Limit | None = None,
        distance_by_epoch: bool = True,
        **options: Any,
    ) -> None:
        if distance_end is None:
            distance_end = DISTANCE_END[distance_by_epoch]
        super().__init__(distance_end=distance_end, distance_by_epoch=distance_by_epoch, **options)
        self.init_from = init_from
        self.init_head = init_head
        self.init_neck = init_neck

    def take(self, owner: nn.Module, again: bool = False) -> None:
        """Load what step 1 left; the detector's head and neck start from it, too, unless they have."""
        assert self.init_from is not None
        load_label_encoding(owner, self.init_from, only_frozen=again)
