"""Heads of colorization: a hypercolumn head with the paper's predictor, points, targets and loss."""

from collections.abc import Sequence
from typing import Any

from mmseg.registry import MODELS, TASK_UTILS

from labelenc_mm.segmentation.hypercolumns.hypercolumn_head import HypercolumnHead

POINTS: dict[str, Any] = dict(type='UniformPointSampler', num_points=128, border=96)
"""Released code: 128 points an image, of a crop of 352 pixels those at least 96 from its border."""
# Xavier (sec. 3.1), but for what stands before the first ReLU behind the hypercolumn (released code).
_CLASSIFIER = dict(type='Xavier', layer='Conv2d', distribution='uniform')
_FIRST = dict(type='Normal', layer='Conv2d', std=1e-4)


class ColorHead(HypercolumnHead):
    """Base: what is learned decides how many numbers are predicted a pixel.

    Args:
        targets: Config of a :class:`ColorTargets`.
        loss_decode: Config of the loss.
        mlp_channels: Widths of hidden layers (released code).
        mlp_dropout: Dropout after each of them (released code).
        sampler: At which pixels, a ``PointSampler``; None for all.
        num_points: Points an image in place of the 128 of the default sampler.
        point_border: Its ``border``, in place of 96.
        test_stride: Colors of a validation are predicted once for each square of so many pixels.
        init_cfg: As in mmengine.
        in_channels: Channels of each tap; filled in by :class:`ColorizationPretrainer`.
        strides: Pixels a cell of each tap; likewise.
        **kwargs: Of :class:`HypercolumnHead`.

    Raises:
        ValueError: Arguments do not fit each other.
    """

    def __init__(
        self,
        in_channels: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
        *,
        targets: dict,
        loss_decode: dict,
        mlp_channels: Sequence[int] = (1024,),
        mlp_dropout: float = 0.5,
        sampler: dict | None = POINTS,
        num_points: int | None = None,
        point_border: int | None = None,
        test_stride: int = 4,
        init_cfg: dict | list[dict] | None = None,
        **kwargs: Any,
    ) -> None:
        if sampler is None and (num_points is not None or point_border):
            raise ValueError(
                f'num_points={num_points} and point_border={point_border} are of points, and sampler=None '
                'trains at all pixels: drop sampler, or set both to None'
            )
        if sampler is POINTS:
            given = dict(num_points=num_points, border=point_border)
            sampler = {**POINTS, **{k: v for k, v in given.items() if v is not None}}
            num_points = point_border = None
        number = TASK_UTILS.build(targets).num_outputs
        super().__init__(
            in_channels,
            strides,
            num_classes=number,
            out_channels=number,
            targets=targets,
            loss_decode=loss_decode,
            mlp_channels=mlp_channels,
            mlp_dropout=mlp_dropout,
            sampler=sampler,
            num_points=num_points,
            point_border=point_border or 0,
            test_stride=test_stride if mlp_channels else 1,
            init_cfg=init_cfg or _CLASSIFIER,
            **kwargs,
        )
        if mlp_channels and init_cfg is None:
            self.projection.init_cfg = dict(_FIRST)


@MODELS.register_module()
class ColorHistogramHead(ColorHead):
    """Predicts histograms of hue and chroma around a pixel.

    Args:
        bins: Of each histogram.
        window: Pixels along the window, an odd number.
        hue_weight: Of the hue in the loss; 5 in the released code.
        chroma_weight: Of the chroma.
        weigh_hue_by_chroma: As of :class:`ColorHistogramTargets`.
        weigh_chroma_by_gray: As of :class:`ColorHistogramTargets`.
        in_channels: Channels of each tap; filled in by :class:`ColorizationPretrainer`.
        strides: Pixels a cell of each tap; likewise.
        **kwargs: ``mlp_channels=(1024,)``, ``mlp_dropout=0.5``, ``num_points=128`` that lie at least
            ``point_border=96`` pixels from the border, or a ``sampler`` (None for all pixels),
            ``test_stride=4``, and those of :class:`HypercolumnHead`.
    """

    def __init__(
        self,
        in_channels: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
        *,
        bins: int = 32,
        window: int = 7,
        hue_weight: float = 5.0,
        chroma_weight: float = 1.0,
        weigh_hue_by_chroma: bool = True,
        weigh_chroma_by_gray: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            in_channels,
            strides,
            targets=dict(
                type='ColorHistogramTargets',
                bins=bins,
                window=window,
                weigh_hue_by_chroma=weigh_hue_by_chroma,
                weigh_chroma_by_gray=weigh_chroma_by_gray,
            ),
            loss_decode=dict(
                type='ColorHistogramLoss', hue_weight=hue_weight, chroma_weight=chroma_weight
            ),
            **kwargs,
        )


@MODELS.register_module()
class ColorRegressionHead(ColorHead):
    """Predicts a* and b* of a pixel, the baseline of Table 2.

    Args:
        loss_weight: Scale of the loss, as of :class:`ColorRegressionLoss`.
        in_channels: Channels of each tap; filled in by :class:`ColorizationPretrainer`.
        strides: Pixels a cell of each tap; likewise.
        **kwargs: As of :class:`ColorHistogramHead`.
    """

    def __init__(
        self,
        in_channels: Sequence[int] | None = None,
        strides: Sequence[int] | None = None,
        *,
        loss_weight: float = 110.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            in_channels,
            strides,
            targets=dict(type='LabTargets'),
            loss_decode=dict(type='ColorRegressionLoss', loss_weight=loss_weight),
            **kwargs,
        )
