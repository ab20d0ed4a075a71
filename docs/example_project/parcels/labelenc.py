"""The detector of this project, label-encoded: ``LabelEncCountingRetinaNet``."""

from mmdet.registry import MODELS

from labelenc_mm.detection import labelenc_detector
from parcels.detector import CountingRetinaNet

# force: labelenc_mm has registered it already if the detector was there when it was imported.
MODELS.register_module(module=labelenc_detector(CountingRetinaNet), force=True)
