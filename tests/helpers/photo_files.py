"""Photos for tests, as files: smooth color pictures of any size, and what is wrong with some."""

import numpy as np
from PIL import Image


def picture(size=(48, 64), seed=0):
    """(H, W, 3) uint8 RGB, smooth."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (6, 8, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(coarse).resize(size[::-1], Image.Resampling.BICUBIC))


def write_photo(path, size=(48, 64), seed=0, **options):
    """Write one; the ending says in which format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(size, seed)).save(path, **options)
    return path


def write_photos(folder, number, size=(48, 64)):
    """Write some JPEG files; returns their names."""
    names = [f'photo {i:02}.jpg' for i in range(number)]
    for index, name in enumerate(names):
        write_photo(folder / name, size, index, quality=95)
    return names


def truncate(path, share=0.5):
    """Cut a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path
