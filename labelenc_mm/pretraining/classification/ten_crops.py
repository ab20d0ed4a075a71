"""Ten crops of an image at test time: its corners and its middle, each mirrored too, averaged.

With ``tools/test.py --tta``, or ``tta: true`` of a recipe, and in the config:

.. code-block:: python

    tta_model = dict(type='ClassifierTTAModel')
    tta_pipeline = [
        dict(type='LoadPhoto', min_side=224),
        dict(
            type='TestTimeAug',
            transforms=[
                [
                    dict(type='CropAt', crop_size=(224, 224), place=place)
                    for place in ((0, 0), (0, 1), (1, 0), (1, 1), (0.5, 0.5))
                ],
                [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
                [dict(type='PackClassInputs')],
            ],
        ),
    ]
"""

import torch
from mmcv.transforms import BaseTransform
from mmengine.model import BaseTTAModel
from mmseg.registry import MODELS, TRANSFORMS
from mmseg.structures import SegDataSample


@TRANSFORMS.register_module()
class CropAt(BaseTransform):
    """Cut a crop of an image at a given place; a smaller image is left as it is on that side.

    Args:
        crop_size: (height, width) in pixels.
        place: Where, from 0, the upper or left border, to 1, the lower or right one; (vertical, horizontal).

    Raises:
        ValueError: The place is outside.
    """

    def __init__(self, crop_size: tuple[int, int], place: tuple[float, float] = (0.5, 0.5)) -> None:
        if not all(0 <= each <= 1 for each in place):
            raise ValueError(
                f'CropAt.place={place} is outside of the image: expected numbers from 0, its upper or left '
                'border, to 1, the lower or right one'
            )
        self.crop_size = crop_size
        self.place = place

    def transform(self, results: dict) -> dict:
        """Crop ``img``."""
        image = results['img']
        room = [max(image.shape[axis] - self.crop_size[axis], 0) for axis in (0, 1)]
        top, left = (round(share * pixels) for share, pixels in zip(self.place, room, strict=True))
        image = image[top : top + self.crop_size[0], left : left + self.crop_size[1]]
        results['img'] = image
        results['img_shape'] = image.shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(crop_size={self.crop_size}, place={self.place})'


@MODELS.register_module()
class ClassifierTTAModel(BaseTTAModel):
    """An :class:`ImageClassifier` at test time: the mean of the logits over all forms of an image.

    The code that VOC 2007 classification is compared by (Krähenbühl and others, 2016) averages logits too,
    before the sigmoid.
    """

    def merge_preds(self, data_samples_list: list[list[SegDataSample]]) -> list[SegDataSample]:
        """Merge the predictions of all forms of each image into its first one."""
        logits = [
            torch.stack([sample.pred_label.logits for sample in samples]).mean(0)
            for samples in data_samples_list
        ]
        first = [samples[0] for samples in data_samples_list]
        return self.module.add_predictions(torch.stack(logits), first)
