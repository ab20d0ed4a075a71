"""Shape scenes as files: COCO json for detectors, VOC-style index PNGs for segmenters.

``write_shape_scenes(root, 800, 200, (128, 128))`` leaves::

    root/shape_scenes.json               what was asked for: version, sizes, counts, seed
    root/annotations/{train,val}.json    COCO: boxes (x, y, w, h), masks as run lengths, no crowds
    root/images/{train,val}/000000.png   8-bit colour
    root/labels/{train,val}/000000.png   palette PNG: 0 background, class id + 1, 255 void

The folder appears under its name in one step when everything in it is complete; a run that is killed
leaves only a neighbour ``.<name>.partial-<host>-<pid>``, which the next run on that host removes.
"""

import json
import os
import shutil
import socket
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from labelenc_mm.datasets.materials import SPLITS
from labelenc_mm.datasets.shape_scenes import CLASSES, PALETTE, VERSION, Scene, ShapeScenes

VOID = 255
"""Value of pixels in label PNGs that training and evaluation ignore."""

STAMP = 'shape_scenes.json'

_VOID_COLOR = (224, 224, 192)  # as in the VOC palette
_FORMATS = ('png', 'jpg')


def write_shape_scenes(
    root: str | os.PathLike[str],
    num_train: int,
    num_val: int,
    size: tuple[int, int] = (128, 128),
    seed: int = 0,
    *,
    void_contour: int = 0,
    image_format: str = 'png',
    workers: int = 0,
    overwrite: bool = False,
    progress: bool = True,
) -> Path:
    """Write a data set of shape scenes; do nothing if it is there already.

    Scene i of a split depends on size, split, seed and i only, so a larger data set contains the
    smaller ones, and the number of workers changes nothing.

    Args:
        root: Folder to make. It must not exist, be empty, or hold shape scenes.
        num_train: Number of training images.
        num_val: Number of validation images.
        size: (H, W) of the images in pixels.
        seed: Seed of the data set.
        void_contour: Width in pixels of a band of 255 along the outlines in the label PNGs, half of
            it on either side; 0 for none. Boxes and masks are not touched.
        image_format: 'png' or 'jpg' (smaller, no longer exact).
        workers: Number of processes; 0 works in this one. Processes are spawned: scripts that use
            them need the usual ``if __name__ == '__main__':``.
        overwrite: Replace shape scenes with other parameters, or incomplete ones.
        progress: Show a progress bar.

    Returns:
        The folder.

    Raises:
        ValueError: If an argument is out of its range.
        FileExistsError: If the folder holds something else, or shape scenes that differ and
            ``overwrite`` is not set.
    """
    root = Path(root)
    for name, count in (('num_train', num_train), ('num_val', num_val), ('workers', workers)):
        if count < 0:
            raise ValueError(f'{name} must not be negative, got {count}')
    if void_contour < 0:
        raise ValueError(f'void_contour must not be negative, got {void_contour}')
    if image_format not in _FORMATS:
        raise ValueError(f'image_format must be one of {_FORMATS}, got {image_format!r}')
    splits = {split: ShapeScenes(size, split, seed) for split in SPLITS}
    counts = {'train': int(num_train), 'val': int(num_val)}
    stamp: dict[str, Any] = {
        'generator': 'labelenc_mm.datasets.write_shape_scenes',
        'version': VERSION,
        'classes': list(CLASSES),
        'num_train': counts['train'],
        'num_val': counts['val'],
        'size': list(splits['train'].size),
        'seed': int(seed),
        'void_contour': int(void_contour),
        'image_format': image_format,
    }
    if _is_complete(root, stamp, overwrite):
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    _remove_dead_partials(root)
    work = root.with_name(_partial_prefix(root) + str(os.getpid()))
    shutil.rmtree(work, ignore_errors=True)
    try:
        for split, scenes in splits.items():
            _write_split(work, scenes, counts[split], stamp, workers, progress)
        (work / STAMP).write_text(json.dumps(stamp, indent=1) + '\n', encoding='utf-8')
        # Another process may have finished the same data meanwhile: then theirs stays.
        if not _is_complete(root, stamp, overwrite):
            if root.exists() and any(root.iterdir()):
                shutil.rmtree(root)
            work.replace(root)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return root


def to_coco(scene: Scene) -> list[dict[str, Any]]:
    """COCO annotations of a scene, without ``id`` and ``image_id``.

    Masks are uncompressed run lengths: exact, readable by pycocotools and by MMDetection's
    LoadAnnotations (with its default ``poly2mask=True``).
    """
    annotations = []
    for (x1, y1, x2, y2), label, mask in zip(
        scene.boxes.tolist(), scene.labels.tolist(), scene.masks
    ):
        annotations.append(
            {
                'category_id': label + 1,
                'bbox': [x1, y1, x2 - x1, y2 - y1],
                'area': int(mask.sum()),
                'segmentation': {'counts': _run_lengths(mask), 'size': list(mask.shape)},
                'iscrowd': 0,
            }
        )
    return annotations


def add_void_contour(label_map: np.ndarray, masks: np.ndarray, width: int) -> np.ndarray:
    """Set a band along the outlines of objects to 255, as VOC does.

    Args:
        label_map: (H, W) uint8.
        masks: (N, H, W) bool, disjoint.
        width: Width of the band in pixels, half of it on either side of an outline.

    Returns:
        (H, W) uint8, a new array.
    """
    instances = np.zeros(label_map.shape, np.uint16)
    for number, mask in enumerate(masks, start=1):
        instances[mask] = number
    # A band of even width lies evenly about the outline, an odd one a pixel further up and left.
    window = np.ones((width + 1, width + 1), np.uint8)
    differs = cv2.dilate(instances, window) != cv2.erode(instances, window)
    return np.where(differs, np.uint8(VOID), label_map)


def _run_lengths(mask: np.ndarray) -> list[int]:
    """COCO run lengths of a (H, W) bool mask: column by column, starting with a run of zeros."""
    flat = np.concatenate([[False], mask.ravel(order='F')])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    return np.diff(np.concatenate([[0], edges, [mask.size]])).tolist()  # type: ignore[no-any-return]


def _write_split(
    work: Path, scenes: ShapeScenes, count: int, stamp: dict[str, Any], workers: int, progress: bool
) -> None:
    split, (height, width) = scenes.split, scenes.size
    for folder in ('images', 'labels'):
        (work / folder / split).mkdir(parents=True)
    write = partial(_write_scene, work, stamp['image_format'], stamp['void_contour'])
    images, annotations = [], []
    pool = ProcessPoolExecutor(workers, get_context('spawn')) if workers else None
    try:
        # Whole scenes objects travel once per chunk, the drawing happens in the workers.
        chunk = max(1, min(64, count // (4 * workers) if workers else 1))
        written = (
            pool.map(write, repeat(scenes), range(count), chunksize=chunk)
            if pool
            else map(write, repeat(scenes), range(count))
        )
        title = f'shape scenes, {split}'
        for index, (name, objects) in enumerate(
            tqdm(written, title, total=count, disable=not progress, unit='image')
        ):
            images.append({'id': index, 'file_name': name, 'height': height, 'width': width})
            for item in objects:
                # pycocotools takes annotation id 0 for 'no match': count from 1.
                annotations.append({'id': len(annotations) + 1, 'image_id': index, **item})
    finally:
        if pool:
            pool.shutdown(cancel_futures=True)
    coco = {
        'info': {'description': 'shape scenes of labelenc_mm', **stamp},
        'images': images,
        'annotations': annotations,
        'categories': [{'id': i, 'name': name} for i, name in enumerate(CLASSES, start=1)],
    }
    path = work / 'annotations' / f'{split}.json'
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(coco), encoding='utf-8')


def _write_scene(
    work: Path, image_format: str, void_contour: int, scenes: ShapeScenes, index: int
) -> tuple[str, list[dict[str, Any]]]:
    """Write image and label map of one scene; returns file name and annotations."""
    scene = scenes[index]
    name = f'{index:06d}.{image_format}'
    flags = (
        [cv2.IMWRITE_PNG_COMPRESSION, 1]
        if image_format == 'png'
        else [cv2.IMWRITE_JPEG_QUALITY, 95]
    )
    done, data = cv2.imencode(f'.{image_format}', scene.image, flags)
    if not done:
        raise OSError(f'OpenCV cannot encode {name} as {image_format}')
    (work / 'images' / scenes.split / name).write_bytes(data.tobytes())
    label_map = scene.label_map
    if void_contour:
        label_map = add_void_contour(label_map, scene.masks, void_contour)
    picture = Image.fromarray(label_map)
    picture.putpalette(_png_palette())
    picture.save(work / 'labels' / scenes.split / f'{index:06d}.png')
    return name, to_coco(scene)


def _png_palette() -> list[int]:
    """768 numbers: (R, G, B) of each label value."""
    colors = [(0, 0, 0), *PALETTE]
    colors += [(0, 0, 0)] * (VOID - len(colors)) + [_VOID_COLOR]
    return [channel for color in colors for channel in color]


def _is_complete(root: Path, stamp: dict[str, Any], overwrite: bool) -> bool:
    """Whether the folder holds what is asked for; False if it may be written."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    path = root / STAMP
    if not path.is_file():
        raise FileExistsError(
            f'{root} exists and holds no shape scenes ({STAMP} is missing): '
            'give another folder, or empty it'
        )
    try:
        found = json.loads(path.read_text(encoding='utf-8'))
    except ValueError:
        found = {}
    if not isinstance(found, dict):
        found = {}
    differences = [
        f'{key} is {found.get(key)!r}, asked for {value!r}'
        for key, value in stamp.items()
        if found.get(key) != value
    ]
    for split in SPLITS:
        for folder in ('images', 'labels'):
            held = len(list((root / folder / split).glob('*')))
            if held != found.get(f'num_{split}'):
                differences.append(f'{folder}/{split} holds {held} files')
        if not (root / 'annotations' / f'{split}.json').is_file():
            differences.append(f'annotations/{split}.json is missing')
    if differences and not overwrite:
        raise FileExistsError(
            f'{root} holds other or damaged shape scenes: {"; ".join(differences)}. '
            'Give another folder, or replace them with overwrite=True (--overwrite)'
        )
    return not differences


def _partial_prefix(root: Path) -> str:
    return f'.{root.name}.partial-{socket.gethostname()}-'


def _remove_dead_partials(root: Path) -> None:
    """Remove what killed runs on this host have left; those of living processes stay."""
    prefix = _partial_prefix(root)
    for path in root.parent.glob(f'{prefix}*'):
        number = path.name[len(prefix) :]
        if number.isdigit() and not _is_alive(int(number)):
            shutil.rmtree(path, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
