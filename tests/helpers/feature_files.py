"""What pictures of features are made of: configs and checkpoints of a tiny detector."""

import torch
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from training_configs import STEP1, STEP2, write_config
from training_runs import shared_data


class FeatureFiles:
    """Configs and checkpoints of a tiny detector, label-encoded and plain, with random weights."""

    def __init__(self, folder):
        self.ours = write_config(folder / 'ours.py', shared_data(), STEP1)
        self.step2 = write_config(folder / 'step2.py', shared_data(), STEP2, step1='gone')
        self.plain = write_config(folder / 'plain.py', shared_data())
        self.checkpoint = folder / 'epoch_1.pth'
        self.plain_checkpoint = folder / 'plain.pth'
        init_default_scope('mmdet')
        torch.manual_seed(1)
        self.detector = MODELS.build(Config.fromfile(self.ours).model)
        self.detector.init_weights()
        self.baseline = MODELS.build(Config.fromfile(self.plain).model)
        for detector, path in (
            (self.detector, self.checkpoint),
            (self.baseline, self.plain_checkpoint),
        ):
            torch.save({'state_dict': detector.eval().state_dict(), 'meta': {}}, path)

    def arguments(self, *more):
        return [str(self.ours), str(self.checkpoint), *map(str, more)]
