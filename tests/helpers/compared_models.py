"""Data, configs and checkpoints of models whose predictions are compared."""

from pathlib import Path

import matplotlib
import torch
from mmengine.config import Config
from mmengine.registry import MODELS, init_default_scope
from packaging.version import Version

from labelenc_mm.shape_scenes import write_shape_scenes

# Until then mmengine's Visualizer, which draws with it, smooths what it is given a little.
DRAWS_EXACTLY = Version(matplotlib.__version__) >= Version('3.11')
CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
DETECTOR = str(CONFIGS / 'labelenc' / 'demo' / 'retinanet_efficientnet-lite0_shapes.py')
SEGMENTOR = str(CONFIGS / 'label_structure' / 'demo' / 'upernet_efficientnet-lite0_shapes.py')


def write_inputs(folder, config, scope):
    """A data set of two images of 64x96 pixels and a checkpoint of an untrained model."""
    write_shape_scenes(folder / 'shapes', 1, 2, (64, 96), 0)
    init_default_scope(scope)
    model = MODELS.build(Config.fromfile(config).model)
    torch.save({'state_dict': model.state_dict(), 'meta': {}}, folder / 'a.pth')
    (folder / 'last_checkpoint').write_text(str(folder / 'a.pth'))
    return folder
