"""A segmentor that tells its heads which channels and strides their taps have."""

import copy
from typing import Any

from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS

from labelenc_mm.engine.built_models import builds_a
from labelenc_mm.networks.blank_image import MapShape, measure_maps
from labelenc_mm.segmentation.hypercolumns.tap_head import TapHead

_REMEDY = "Use type 'EncoderDecoder' and write in_channels and strides into the decode head"


@MODELS.register_module()
class HypercolumnEncoderDecoder(EncoderDecoder):
    """mmseg's ``EncoderDecoder``, which fills in ``in_channels`` and ``strides`` of heads on taps.

    A head does not see the backbone that it reads; the segmentor builds both. Nothing else differs, keys
    of the checkpoint included, so that with the numbers written out ``type='EncoderDecoder'`` does as
    well. Of a backbone with named taps the numbers are known; outputs of another, or of a neck, are
    measured with a blank image.

    Raises:
        ValueError: The config has other numbers, or they cannot be measured.
    """

    def _init_decode_head(self, decode_head: Any) -> None:
        super()._init_decode_head(self._filled_in(decode_head, 'decode_head'))

    def _init_auxiliary_head(self, auxiliary_head: Any) -> None:
        if isinstance(auxiliary_head, list | tuple):
            auxiliary_head = [
                self._filled_in(head, f'auxiliary_head.{i}')
                for i, head in enumerate(auxiliary_head)
            ]
        elif auxiliary_head is not None:
            auxiliary_head = self._filled_in(auxiliary_head, 'auxiliary_head')
        super()._init_auxiliary_head(auxiliary_head)

    def _filled_in(self, head: Any, name: str) -> Any:
        """The config of a head with the numbers of its taps; of any other head as it is."""
        if not builds_a(TapHead, head, MODELS):
            return head
        shapes = self._feature_shapes()
        in_index = head.get('in_index')
        in_index = range(len(shapes)) if in_index is None else in_index
        if any(not -len(shapes) <= index < len(shapes) for index in in_index):
            raise ValueError(
                f'model.{name}.in_index={list(in_index)}, but {type(self.backbone).__name__} has '
                f'{len(shapes)} outputs, 0 to {len(shapes) - 1}'
            )
        head = copy.copy(head)
        found = zip(*(shapes[index] for index in in_index), strict=True)
        for key, numbers in zip(('in_channels', 'strides'), found, strict=True):
            if head.get(key) is not None and tuple(head[key]) != numbers:
                raise ValueError(
                    f'model.{name}.{key}={list(head[key])}, but the outputs of '
                    f'{type(self.backbone).__name__} that it reads have {list(numbers)}: leave it out, it '
                    'is filled in'
                )
            head[key] = list(numbers)
        return head

    def _feature_shapes(self) -> list[MapShape]:
        channels = getattr(self.backbone, 'tap_channels', None)
        if channels is not None and not self.with_neck:
            return [
                MapShape(*each) for each in zip(channels, self.backbone.tap_strides, strict=True)
            ]
        return measure_maps(self, self.extract_feat, _REMEDY)
