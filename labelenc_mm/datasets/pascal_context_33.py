"""PASCAL Context with 33 classes, the smaller of the two usual subsets."""

from typing import Any

from mmseg.datasets import PascalContextDataset59
from mmseg.registry import DATASETS

# The names of `33_labels.txt` on the data set's page (Mottaghi et al., CVPR 2014), in its order: the 20
# classes of PASCAL VOC, then 13 of scenes. MMSegmentation spells "diningtable" as "table".
CLASSES = (
    'aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair', 'cow', 'table', 'dog',
    'horse', 'motorbike', 'person', 'pottedplant', 'sheep', 'sofa', 'train', 'tvmonitor',
    'sky', 'grass', 'ground', 'road', 'building', 'tree', 'water', 'mountain', 'wall', 'floor', 'track',
    'keyboard', 'ceiling',
)  # fmt: skip


@DATASETS.register_module()
class PascalContextDataset33(PascalContextDataset59):
    """The label maps of :class:`PascalContextDataset59`, of whose classes 33 are kept; all else is void.

    Files are those of MMSegmentation's 59 classes. Labels are mapped when they are loaded
    (``LoadAnnotations``), by the names of the classes.

    Args:
        metainfo: As of any data set; ``classes`` may name a part of the 33.
        **kwargs: Of :class:`PascalContextDataset59`.
    """

    def __init__(self, metainfo: dict | None = None, **kwargs: Any) -> None:
        super().__init__(metainfo={'classes': CLASSES, **(metainfo or {})}, **kwargs)
