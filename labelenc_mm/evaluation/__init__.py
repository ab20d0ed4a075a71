"""Metrics that MMSegmentation lacks: of edges, of surface normals, and files for a test server."""

# The toolbox is checked by segmentation, which this room stands on, before it is imported here.
import labelenc_mm.segmentation  # noqa: F401
from labelenc_mm.evaluation.boundary_metric import BoundaryMetric
from labelenc_mm.evaluation.palette_iou_metric import PaletteIoUMetric
from labelenc_mm.evaluation.surface_normal_metric import SurfaceNormalMetric

__all__ = ['BoundaryMetric', 'PaletteIoUMetric', 'SurfaceNormalMetric']
