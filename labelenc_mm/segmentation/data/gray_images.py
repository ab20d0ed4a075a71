"""Gray images for a segmentor that was pretrained by colorization (Larsson et al., CVPR 2017, sec. 4.1)."""

from collections.abc import Sequence
from typing import Any

from mmseg.models import SegDataPreProcessor
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor


@MODELS.register_module()
class GraySegDataPreProcessor(SegDataPreProcessor):
    """mmseg's preprocessor, which takes the color off the images: (R + G + B) / 3, on the device.

    Args:
        channels: Of what the backbone gets: 1, or 3 equal ones for a backbone that was made for color.
        kwargs: Of ``SegDataPreProcessor``. ``mean=[114.45] * 3, std=[255.0] * 3`` is what
            :class:`ColorizationPretrainer` has by default.

    Raises:
        ValueError: ``mean`` or ``std`` differ between channels of which one is left.
    """

    def __init__(self, channels: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.channels = channels
        check_gray(self, channels)

    def forward(self, data: dict, training: bool = False) -> dict[str, Any]:
        """Do as mmseg's, then make the images gray."""
        batch = super().forward(data, training)
        batch['inputs'] = gray_input(to_rgb_levels(batch['inputs'], self), self, self.channels)
        return batch


def to_rgb_levels(images: Tensor, preprocessor: Any) -> Tensor:
    """Normalised images (…, 3, H, W), or differences in them, as RGB in gray levels from 0 to 255.

    Args:
        images: What a ``SegDataPreProcessor`` has made.
        preprocessor: It.
    """
    if preprocessor._enable_normalize:
        images = images * preprocessor.std + preprocessor.mean
    # Images are read as BGR; with a conversion, which each family has its name for, the network sees RGB.
    converts = any(
        getattr(preprocessor, name, False) for name in ('_channel_conversion', 'channel_conversion')
    )
    return images if converts else images.flip(-3)


def gray_input(levels: Tensor, preprocessor: Any, channels: int) -> Tensor:
    """What a network sees of images without their color.

    Args:
        levels: (N, 3, H, W) gray levels from 0 to 255.
        preprocessor: A ``SegDataPreProcessor``, whose mean and deviation are those of the network.
        channels: 1, or 3 that are equal but for mean and deviation.

    Returns:
        (N, channels, H, W), normalised.
    """
    gray = levels.mean(1, keepdim=True)
    if preprocessor._enable_normalize:
        gray = (gray - preprocessor.mean[:channels]) / preprocessor.std[:channels]
    return gray.expand(-1, channels, -1, -1)


def backbone_input(images: Sequence[Tensor], preprocessor: Any, channels: int) -> Tensor:
    """What a backbone sees of images, in testing, whichever model it is in.

    Args:
        images: (3, H, W) uint8 BGR, as they are read, of one size.
        preprocessor: The ``data_preprocessor`` of the model.
        channels: That the backbone takes; of a colorizer, which makes photos gray behind its preprocessor, 1.
    """
    samples = [SegDataSample() for _ in images]
    inputs = preprocessor(dict(inputs=list(images), data_samples=samples))['inputs']
    if channels == 1 and inputs.shape[1] == 3:
        return gray_input(to_rgb_levels(inputs, preprocessor), preprocessor, channels)
    return inputs


def check_gray(preprocessor: Any, channels: int) -> None:
    """Refuse what leaves open how one gray channel is to be normalised.

    Raises:
        ValueError: As said.
    """
    if channels == 1 and preprocessor._enable_normalize:
        for name in ('mean', 'std'):
            values = getattr(preprocessor, name).flatten().tolist()
            if len(set(values)) > 1:
                raise ValueError(
                    f'data_preprocessor.{name}={values} differs between color channels, of which the network '
                    'sees one, the gray: give three equal numbers, mean=[114.45] * 3 and std=[255.0] * 3'
                )
