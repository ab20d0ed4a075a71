"""BSDS500 in small: pictures of noise with edges by several annotators, as BSDSEdgeDataset reads them."""

import json

import cv2
import numpy as np

from labelenc_mm.datasets.edges.annotations import write_annotators

SIZE = (48, 64)


def write_edge_data(root, numbers=(4, 5, 3), size=SIZE, lists=('train', 'val', 'test')):
    """Write as many images as there are numbers of annotators, all of them in each list.

    Returns:
        The maps of each image.
    """
    rng = np.random.default_rng(0)
    for folder in ('images', 'boundaries'):
        (root / folder).mkdir(parents=True, exist_ok=True)
    maps = {}
    for index, number in enumerate(numbers):
        image = rng.integers(0, 90, (*size, 3), np.uint8)
        image[:, size[1] // 2 :] += 150
        cv2.imwrite(str(root / f'images/{index}.jpg'), image)
        # All saw the change in the middle, not all at the same place.
        maps[str(index)] = np.zeros((number, *size), bool)
        for k, each in enumerate(maps[str(index)]):
            each[:, size[1] // 2 - (k == 0)] = True
            each[rng.random(size) < 0.01] = True
        write_annotators(root / f'boundaries/{index}.png', list(maps[str(index)]))
    known = {name: dict(annotators=len(each)) for name, each in maps.items()}
    (root / 'annotators.json').write_text(json.dumps(known))
    for name in lists:
        (root / f'{name}.txt').write_text('\n'.join(maps))
    return maps
