"""Ground-truth label maps of a batch, checked: every fault names the file."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmseg.structures import SegDataSample
from torch import Tensor

from labelenc_mm.labels import check_label_values


def stack_label_maps(
    data_samples: Sequence[SegDataSample],
    num_classes: int,
    ignore_index: int,
    size: Sequence[int] | None = None,
    owner: str = 'model.decode_head',
) -> Tensor:
    """Stack the ``gt_sem_seg`` of N samples.

    Args:
        data_samples: Samples as the data preprocessor leaves them in training.
        num_classes: Number of classes; labels are 0 to ``num_classes`` - 1.
        ignore_index: Label of void pixels.
        size: (H, W) of the batch of images; None if it is not known. Without it the maps are compared
            with what the samples say of their image.
        owner: Where the config has ``num_classes`` and ``ignore_index``, for messages.

    Returns:
        (N, H, W) int64.

    Raises:
        ValueError: Naming the file, if a sample has no map, one of another size than its image, or
            labels that are no class.
    """
    maps = []
    for sample in data_samples:
        if 'gt_sem_seg' not in sample:
            raise ValueError(
                f'{name_of(sample)}: the sample has no label map. Add LoadAnnotations to the pipeline'
            )
        label_map = sample.gt_sem_seg.data.squeeze(0)
        check_one_channel(label_map.shape, name_of(sample))
        expected = tuple(map(int, size)) if size is not None else size_of_image(sample)
        if expected is not None and tuple(label_map.shape) != expected:
            raise ValueError(
                f'{name_of(sample)}: the label map has (height, width) {tuple(label_map.shape)}, its '
                f'image {expected}, after the pipeline and padding. Restore the pair: their files must '
                'have the same size'
            )
        maps.append(label_map)
    sizes = {tuple(label_map.shape) for label_map in maps}
    if len(sizes) > 1:
        raise ValueError(
            f'label maps of one batch have the sizes {sorted(sizes)}: crop to one size in the pipeline '
            'or have the data preprocessor pad to one (size or size_divisor)'
        )
    batch = torch.stack(maps)
    names = [name_of(sample) for sample in data_samples]
    check_label_values(batch, num_classes, ignore_index, names, owner)
    return batch


def check_one_channel(shape: Sequence[int], name: str) -> None:
    """Raise ValueError, naming the file, unless a label map has the shape (H, W)."""
    if len(shape) != 2:
        raise ValueError(
            f'{name}: the label map has shape {tuple(map(int, shape))}, where one channel of class numbers, '
            '(height, width), is needed. Convert colours to class numbers, and save them as a grey or '
            'palette image'
        )


def label_map_of_input(
    sample: SegDataSample, num_classes: int, ignore_index: int, owner: str = 'model.decode_head'
) -> Tensor:
    """The label map of a sample at test time, at the size in which the network sees its image.

    Test pipelines load maps after the resize, at the size of the file.

    Args:
        sample: With ``gt_sem_seg``, and ``img_shape`` where it was resized.
        num_classes: Number of classes.
        ignore_index: Label of void pixels.
        owner: As in :func:`stack_label_maps`.

    Returns:
        (1, h, w) int64, resized by nearest neighbour.

    Raises:
        ValueError: As :func:`stack_label_maps`.
    """
    size = tuple(sample.gt_sem_seg.shape[-2:]) if 'gt_sem_seg' in sample else None
    label_map = stack_label_maps([sample], num_classes, ignore_index, size, owner)
    network_size = tuple(sample.metainfo.get('img_shape', label_map.shape[-2:])[:2])
    if network_size == tuple(label_map.shape[-2:]):
        return label_map
    return F.interpolate(label_map[None].float(), network_size, mode='nearest')[0].long()


def name_of(sample: SegDataSample) -> str:
    """What errors call a sample: the file of its label map, else that of its image."""
    meta = sample.metainfo
    return str(meta.get('seg_map_path') or meta.get('img_path') or '<sample without a path>')


def size_without_padding(sample: SegDataSample, whole: tuple[int, int]) -> tuple[int, int]:
    """(H, W) of an image in its padded form, which is of the size ``whole``.

    Only the preprocessor's word counts: what a pipeline without images says of their size means nothing.
    """
    if 'padding_size' not in sample.metainfo:
        return whole
    height, width = sample.metainfo['img_shape'][:2]
    return int(height), int(width)


def size_of_image(sample: SegDataSample) -> tuple[int, int] | None:
    """(H, W) of the padded image, as far as the sample knows it."""
    meta = sample.metainfo
    if 'img_shape' not in meta or 'padding_size' not in meta:
        return None
    left, right, top, bottom = meta['padding_size']
    height, width = meta['img_shape'][:2]
    return int(height + top + bottom), int(width + left + right)  # NumPy's print as np.int64(…)
