"""Data sets that MMSegmentation lacks, with their transforms: edges, normals, 33 classes of Context."""

# The toolbox is checked by segmentation, which this room stands on, before it is imported here.
import labelenc_mm.segmentation  # noqa: F401
from labelenc_mm.datasets.edges.augmentation import RandomTurn, ResizeWithEdges
from labelenc_mm.datasets.edges.bsds_edge_dataset import BSDSEdgeDataset
from labelenc_mm.datasets.edges.load_edge_map import LoadEdgeMap, PackEdgeInputs
from labelenc_mm.datasets.normals.normal_maps import NormalMapError
from labelenc_mm.datasets.normals.nyu_normal_dataset import NYUNormalDataset
from labelenc_mm.datasets.normals.transforms import LoadNormals, PackNormals, RandomFlipNormals
from labelenc_mm.datasets.pascal_context_33 import PascalContextDataset33

__all__ = [
    'BSDSEdgeDataset',
    'LoadEdgeMap',
    'LoadNormals',
    'NYUNormalDataset',
    'NormalMapError',
    'PackEdgeInputs',
    'PackNormals',
    'PascalContextDataset33',
    'RandomFlipNormals',
    'RandomTurn',
    'ResizeWithEdges',
]
