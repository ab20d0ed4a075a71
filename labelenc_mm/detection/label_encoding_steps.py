"""The two steps of LabelEnc (ECCV 2020, sec. 3), stages of the label encoding head."""

from typing import Any

from mmdet.registry import MODELS
from torch import nn

from labelenc_mm.detection.feature_supervision_head import DISTANCE_END
from labelenc_mm.detection.label_encoding import load_label_encoding
from labelenc_mm.detection.label_encoding_head import LabelEncodingHead
from labelenc_mm.engine.schedule import Limit

# Options of one stage: the value that says nothing, and what another stage that is given one says.
OF_STEP_2: dict[str, tuple[Any, str]] = {
    'init_from': (
        None,
        "labelenc.init_from belongs to stage='supervise'; this stage learns what it holds: leave it out",
    ),
    'init_head': (True, "labelenc.init_head belongs to stage='supervise'; leave it out"),
    'init_neck': (True, "labelenc.init_neck belongs to stage='supervise'; leave it out"),
    'encoder_from': (None, "labelenc.encoder_from belongs to stage='supervise'; leave it out"),
    'random_encoder': (False, "labelenc.random_encoder belongs to stage='supervise'; leave it out"),
}
OF_ONE_RUN: dict[str, tuple[Any, str]] = {
    name: (silent, f"labelenc.{name} belongs to stage='one-run'; leave it out")
    for name, silent in (
        ('label_share', None),
        ('label_loss_weight', 1.0),
        ('labels_train_head', None),
        ('compare_all', False),
        ('detach_end', None),
        ('label_end', None),
        ('image_begin', None),
    )
}
OF_STEP_1: dict[str, tuple[Any, str]] = {
    'joint': (
        True,
        "labelenc.joint=False belongs to stage='autoencode'; this stage trains a detector and needs the "
        'images',
    )
}


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
    foreign = {**OF_STEP_2, **OF_ONE_RUN}

    def __init__(
        self, joint: bool = True, distance_begin: Limit | None = None, **options: Any
    ) -> None:
        if distance_begin is None:
            distance_begin = 0.25
        super().__init__(distance_begin=distance_begin, **options)
        self.joint = joint
        if not joint and self.distillation is not None:
            raise ValueError(
                'labelenc.distillation compares image features, which labelenc.joint=False does not compute: '
                'leave one of them out'
            )

    def check_is_learned(self) -> None:
        """It learns."""


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
        encoder_from: A control, for whether encoder and initialisation have to be of one training: another
            such file, which encoder and pyramid come from in place of ``init_from``.
        random_encoder: A control, for whether the encoding has to be learned: the weights that the encoder
            is built with are frozen, and no file is read; compare with ``init_head=False`` and
            ``init_neck=False``, for head and neck start afresh, too.
        distance_end: When the distance stops, by default for the last epoch or ninth (sec. 4.1).
        distance_by_epoch: Whether int limits count epochs (else iterations).
        options: As in :class:`LabelEncodingHead`.

    Raises:
        ValueError: A random encoder is to come from a file.
    """

    stage = 'supervise'
    step = 'step 2'
    missing = (
        'step 2 has no label encoding: set labelenc.init_from to the label_encoding.safetensors of '
        'step 1 (and do not give a checkpoint of step 1 to load_from, which would bring its backbone, '
        'neck and adapter as well)'
    )
    foreign = {**OF_STEP_1, **OF_ONE_RUN}

    def __init__(
        self,
        init_from: str | None = None,
        init_head: bool = True,
        init_neck: bool = True,
        encoder_from: str | None = None,
        random_encoder: bool = False,
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
        self.encoder_from = encoder_from
        if encoder_from is not None and init_from is None and not random_encoder:
            raise ValueError(
                'labelenc.encoder_from replaces the encoder of init_from, and there is no init_from: give '
                'the file as labelenc.init_from'
            )
        if random_encoder and (init_from is not None or encoder_from is not None):
            raise ValueError(
                'labelenc.random_encoder=True takes nothing from a step 1: leave init_from and '
                'encoder_from out'
            )
        is_off = not (self.loss_weight or init_head or init_neck)
        if random_encoder or (is_off and init_from is None):
            self.mark_learned()  # nothing of step 1 is waited for

    def take(self, owner: nn.Module, again: bool = False) -> None:
        """Load what step 1 left; the detector's head and neck start from it, too, unless they have."""
        assert self.init_from is not None
        load_label_encoding(owner, self.init_from, only_frozen=again)
        if self.encoder_from is not None:
            load_label_encoding(owner, self.encoder_from, True, 'labelenc.encoder_from')
