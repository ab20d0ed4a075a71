"""Random regions of images, for searches."""

import torch

from labelenc_mm.analysis.label_regions import Regions

CHANNELS = 3
SIZES = (7, 0, 1, 30, 12)  # regions of the images of the gallery


def make_regions(count, seed, values=None):
    """Random regions; with ``values`` codes are whole numbers, so that many are equally near."""
    generator = torch.Generator().manual_seed(seed)
    codes = torch.randn(count, CHANNELS, generator=generator)
    if values is not None:
        codes = torch.randint(values, (count, CHANNELS), generator=generator).float()
    return Regions(
        codes,
        torch.arange(2 * count).reshape(count, 2),
        torch.randint(-1, 4, (count, 2, 2), generator=generator).to(torch.int16),
    )


def gallery(values=None):
    return [make_regions(size, 10 + i, values) for i, size in enumerate(SIZES)]
