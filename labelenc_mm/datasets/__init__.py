"""Data sets that MMSegmentation lacks, with their transforms: edges, surface normals."""

# The toolbox is checked by segmentation, which this room stands on, before it is imported here.
import labelenc_mm.segmentation  # noqa: F401
from labelenc_mm.datasets.edges.augmentation import RandomTurn, ResizeWithEdges
from labelenc_mm.datasets.edges.bsds_edge_dataset import BSDSEdgeDataset
from labelenc_mm.datasets.edges.load_edge_map import LoadEdgeMap, PackEdgeInputs

__all__ = ['BSDSEdgeDataset', 'LoadEdgeMap', 'PackEdgeInputs', 'RandomTurn', 'ResizeWithEdges']
