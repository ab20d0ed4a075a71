"""An example of a project of your own: a data set and a detector, registered in MMDetection."""

from importlib.util import find_spec

from parcels.dataset import CSVDetectionDataset
from parcels.detector import CountingRetinaNet

if find_spec('labelenc_mm') is not None:  # the exported detector is used without it
    from parcels import labelenc  # noqa: F401

__all__ = ['CSVDetectionDataset', 'CountingRetinaNet']
