"""Photos and maps of surface normals of noise, in the layout of NYUNormalDataset."""

from pathlib import Path

import cv2
import numpy as np


def random_normals(size, seed=0, unknown=0.1):
    """(H, W, 3) unit vectors towards the camera; some zero."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(*size, 3)) + (0, 0, 1.5)
    vectors[..., 2] = np.abs(vectors[..., 2])
    vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
    vectors[rng.random(size) < unknown] = 0
    return vectors


def encoded(vectors):
    """As 8-bit RGB."""
    colors = np.round(128 + 127 * vectors).astype(np.uint8)
    return np.where(vectors.any(axis=2, keepdims=True), colors, 0).astype(np.uint8)


def write_rgb(path, colors):
    """Write an RGB picture."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), colors[..., ::-1])
    return str(path)


def write_normals(root, lists=('train.txt', 'test.txt'), size=(72, 96), count=4):
    """A data set of ``count`` photos in each list."""
    for start, name in enumerate(lists):
        ids = [str(count * start + index) for index in range(count)]
        for number in ids:
            rng = np.random.default_rng(int(number))
            write_rgb(root / 'images' / f'{number}.jpg', rng.integers(0, 256, (*size, 3), np.uint8))
            normals = random_normals(size, int(number))
            write_rgb(root / 'normals' / f'{number}.png', encoded(normals))
        (root / name).write_text('\n'.join(ids))
    return root
