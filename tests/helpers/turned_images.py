"""Images that EXIF data turn, in a module that processes which start afresh can import."""

import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine.dataset import BaseDataset, Compose
from PIL import Image


class Images(BaseDataset):
    """Images of 6 x 4 pixels that EXIF data turn, and what their annotations say of them."""

    def __init__(self, folder, size, orientation=6, loader=None):
        self.folder, self.size = folder, size
        self.loader = loader or LoadImageFromFile()
        exif = Image.Exif()
        exif[0x0112] = orientation
        for index in range(4):
            image = Image.fromarray(np.zeros((4, 6, 3), np.uint8))
            image.save(folder / f'{index}.jpg', exif=exif)
        super().__init__(pipeline=[])
        self.pipeline = Compose([])
        self.pipeline.transforms = [self.loader, lambda results: results['img'].shape[:2]]

    def load_data_list(self):
        width, height = self.size
        paths = [str(self.folder / f'{index}.jpg') for index in range(4)]
        return [dict(img_path=path, width=width, height=height) for path in paths]
