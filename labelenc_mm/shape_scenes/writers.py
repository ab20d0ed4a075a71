"""Shape scenes as files: COCO json for detectors, label PNGs for segmentors.

``write_shape_scenes(root, 800, 200, (128, 128))`` leaves::

    root/shape_scenes.json               what was asked for: version, size, counts, seed
    root/annotations/{train,val}.json    COCO: boxes (x, y, w, h), masks as run lengths, no crowds
    root/images/{train,val}/000000.png   8-bit colour
    root/labels/{train,val}/000000.png   palette PNG: 0 background, class id + 1, 255 void

and with ``relief=True``, in the layouts of NYUNormalDataset and BSDSEdgeDataset::

    root/normals/{train,val}/000000.png      8-bit RGB, (v - 128) / 127: x right, y up, z to the viewer
    root/boundaries/{train,val}/000000.png   16-bit gray, 1 on the outlines of objects: one annotator
    root/annotators.json                     that number of annotators

In a config of MMDetection: ``data_root=root, ann_file='annotations/train.json',
data_prefix=dict(img='images/train/'), metainfo=dict(classes=CLASSES)``.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from labelenc_mm.files import complete_folder
from labelenc_mm.shape_scenes.formats import (
    add_void_contour,
    object_edges,
    to_coco,
    write_label_png,
)
from labelenc_mm.shape_scenes.materials import SPLITS
from labelenc_mm.shape_scenes.relief import to_colors
from labelenc_mm.shape_scenes.scenes import CLASSES, VERSION, ShapeScenes

STAMP = 'shape_scenes.json'
"""File that says with which parameters a folder was written."""

_CHUNK = 8  # scenes a process takes at a time

# Level 1 is several times faster than the default, and noise hardly compresses anyway.
_ENCODINGS = {'png': [cv2.IMWRITE_PNG_COMPRESSION, 1], 'jpg': [cv2.IMWRITE_JPEG_QUALITY, 95]}


def write_shape_scenes(
    root: str | os.PathLike[str],
    num_train: int,
    num_val: int,
    size: tuple[int, int] = (128, 128),
    seed: int = 0,
    *,
    void_contour: int = 0,
    relief: bool = False,
    image_format: str = 'png',
    workers: int = 0,
    overwrite: bool = False,
    progress: bool = True,
) -> Path:
    """Write a data set of shape scenes; do nothing if it is there already.

    Scene i of a split depends on size, split, seed and i only: a larger data set contains the
    smaller ones, and the number of workers changes nothing. The folder appears under its name when
    everything in it is complete, see :func:`labelenc_mm.files.complete_folder`.

    Args:
        root: Folder to make. It must not exist, be empty, or hold shape scenes.
        num_train: Number of training images.
        num_val: Number of validation images.
        size: (H, W) of the images in pixels.
        seed: Seed of the data set.
        void_contour: Width in pixels of a band of 255 along the outlines in the label PNGs; 0 for
            none. Boxes and masks are not touched.
        relief: Whether things are domes under a light, and normals and outlines are written too.
        image_format: 'png' or 'jpg' (smaller, no longer exact).
        workers: Number of processes; 0 works in this one.
        overwrite: Replace the whole folder if it holds damaged shape scenes or such with other
            parameters.
        progress: Show a progress bar.

    Returns:
        The folder.

    Raises:
        ValueError: If an argument is out of its range.
        FileExistsError: If the folder holds something else, or shape scenes that differ while
            ``overwrite`` is not set.
    """
    root = Path(root)
    numbers = {'num_train': num_train, 'num_val': num_val, 'void_contour': void_contour}
    for name, number in {**numbers, 'workers': workers}.items():
        if number < 0:
            raise ValueError(f'{name} must not be negative, got {number}')
    if image_format not in _ENCODINGS:
        raise ValueError(f'image_format must be one of {[*_ENCODINGS]}, got {image_format!r}')
    splits = {split: ShapeScenes(size, split, seed, relief) for split in SPLITS}
    stamp: dict[str, Any] = {
        'generator': 'labelenc_mm.shape_scenes.write_shape_scenes',
        'version': VERSION,
        'classes': list(CLASSES),
        **{name: int(number) for name, number in numbers.items()},
        'size': list(splits['train'].size),
        'seed': int(seed),
        'image_format': image_format,
    }
    if relief:
        stamp['relief'] = True
    if _is_complete(root, stamp, overwrite):
        return root
    with complete_folder(root) as work, _mapper(workers) as mapper:
        for split, scenes in splits.items():
            _write_split(work, scenes, stamp[f'num_{split}'], stamp, mapper, progress)
        if relief:
            names = [f'{index:06d}' for index in range(max(num_train, num_val))]
            annotators = {name: {'annotators': 1} for name in names}
            (work / 'annotators.json').write_text(json.dumps(annotators), encoding='utf-8')
        (work / STAMP).write_text(json.dumps(stamp, indent=1) + '\n', encoding='utf-8')
    return root


def _is_complete(root: Path, stamp: dict[str, Any], overwrite: bool) -> bool:
    """Whether the folder holds what is asked for; False if it may be written."""
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return False
    try:
        found = json.loads((root / STAMP).read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or found.get('generator') != stamp['generator']:
        raise FileExistsError(
            f'{root} exists and holds no shape scenes ({STAMP} is missing or unreadable): '
            'give another folder, or remove this one'
        )
    differences = [
        f'{key} is {found.get(key)!r}, asked for {value!r}'
        for key, value in {'relief': None, **stamp}.items()
        if found.get(key) != value
    ]
    for split in SPLITS:
        for folder in _folders('relief' in stamp):
            held = len(list((root / folder / split).glob('*')))
            if held != found.get(f'num_{split}'):
                differences.append(f'{folder}/{split} holds {held} files')
        if not (root / 'annotations' / f'{split}.json').is_file():
            differences.append(f'annotations/{split}.json is missing')
    if differences and not overwrite:
        raise FileExistsError(
            f'{root} holds other or damaged shape scenes: {"; ".join(differences)}. '
            'Give another folder, or replace this one with overwrite=True (--overwrite)'
        )
    return not differences


@contextmanager
def _mapper(workers: int) -> Iterator[Callable[..., Iterable[Any]]]:
    """An ordered ``map`` over processes, or the built-in one."""
    if not workers:
        yield map
        return
    # Forked as in a DataLoader: a spawned process would first import the toolboxes for seconds.
    context = get_context('fork' if 'fork' in get_all_start_methods() else 'spawn')
    # OpenCV's threads do not survive a fork, and every process has work of its own anyway.
    pool = ProcessPoolExecutor(workers, context, initializer=cv2.setNumThreads, initargs=(0,))
    try:
        yield partial(pool.map, chunksize=_CHUNK)
    finally:
        pool.shutdown(cancel_futures=True)


def _folders(relief: bool) -> tuple[str, ...]:
    return ('images', 'labels', 'normals', 'boundaries') if relief else ('images', 'labels')


def _write_split(
    work: Path,
    scenes: ShapeScenes,
    count: int,
    stamp: dict[str, Any],
    mapper: Callable[..., Iterable[Any]],
    progress: bool,
) -> None:
    split, (height, width) = scenes.split, scenes.size
    for folder in _folders(scenes.relief):
        (work / folder / split).mkdir(parents=True)
    write = partial(_write_scene, work, stamp['image_format'], stamp['void_contour'], scenes)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    written = mapper(write, range(count))
    bar = tqdm(written, f'shape scenes, {split}', count, disable=not progress, unit='image')
    for index, (name, objects) in enumerate(bar):
        images.append({'id': index, 'file_name': name, 'height': height, 'width': width})
        for item in objects:
            # pycocotools takes annotation id 0 for 'no match': count from 1.
            annotations.append({'id': len(annotations) + 1, 'image_id': index, **item})
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
    _write_picture(work / 'images' / scenes.split / name, scene.image, image_format)
    if scene.normals is not None:
        png = f'{index:06d}.png'
        _write_picture(
            work / 'normals' / scenes.split / png, to_colors(scene.normals)[..., ::-1], 'png'
        )
        edges = object_edges(scene.masks).astype(np.uint16)
        _write_picture(work / 'boundaries' / scenes.split / png, edges, 'png')
    label_map = scene.label_map
    if void_contour:
        label_map = add_void_contour(label_map, scene.masks, void_contour)
    write_label_png(work / 'labels' / scenes.split / f'{index:06d}.png', label_map)
    return name, to_coco(scene)


def _write_picture(path: Path, picture: np.ndarray, image_format: str) -> None:
    # Not imwrite, which reports a full disk only by returning False.
    encoded, data = cv2.imencode(f'.{image_format}', picture, _ENCODINGS[image_format])
    if not encoded:
        raise OSError(f'OpenCV cannot encode {path.name} as {image_format}')
    path.write_bytes(data.tobytes())
