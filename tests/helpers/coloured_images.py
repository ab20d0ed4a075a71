"""A data set of noisy images of one colour each, which is their class; imported by configs."""

import torch
from mmengine.dataset import BaseDataset
from mmengine.structures import LabelData
from mmseg.registry import DATASETS
from mmseg.structures import SegDataSample


@DATASETS.register_module()
class ColouredImages(BaseDataset):
    """Image i has the channel i % 3 bright; its labels are that number and, if asked for, 3."""

    def __init__(self, length, extra=(), **kwargs):
        self.length, self.extra = length, list(extra)
        super().__init__(**kwargs)

    def load_data_list(self):
        return [{'labels': [i % 3, *self.extra]} for i in range(self.length)]

    def prepare_data(self, idx):
        labels = self.get_data_info(idx)['labels']
        generator = torch.Generator().manual_seed(idx)
        image = torch.randint(0, 120, (3, 32, 32), dtype=torch.uint8, generator=generator)
        image[labels[0]] += 120
        sample = SegDataSample(metainfo={'img_path': f'{idx}.png', 'img_shape': (32, 32)})
        sample.gt_label = LabelData(label=torch.tensor(labels))
        return {'inputs': image, 'data_samples': sample}
