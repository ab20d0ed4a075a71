"""Scores of edge detectors from folders, the score of people themselves, and the plot of both.

After Martin, Fowlkes and Malik (PAMI 2004): precision over recall with lines of equal F, people as a point.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from labelenc_mm.datasets import BSDSEdgeDataset
from labelenc_mm.datasets.edges.annotations import read_annotators
from labelenc_mm.evaluation.edges.counts import BoundaryCounts, count_image
from labelenc_mm.evaluation.edges.kept_counts import Counter
from labelenc_mm.evaluation.edges.scores import best_between, f_measure, precision_recall

_F_LINES = np.arange(1, 10) / 10


def annotated_images(data_root: str, split: str) -> list[dict[str, Any]]:
    """What the data set knows of each image of a split: ``img_path``, ``seg_map_path``, ``num_annotators``.

    Args:
        data_root: Folder as :class:`BSDSEdgeDataset` reads it.
        split: Name of a list without its ending.
    """
    return list(BSDSEdgeDataset(data_root=data_root, ann_file=f'{split}.txt'))


def count_folder(
    folder: Path, images: Sequence[dict[str, Any]], counter: Counter
) -> list[BoundaryCounts]:
    """Counts of the edge maps of a folder: ID.png, 8-bit gray, 255 for a sure edge.

    Args:
        folder: As ``BoundaryMetric(output_dir=...)`` or ``tools/test.py --out`` fills it.
        images: Of :func:`annotated_images`.
        counter: What counts.

    Raises:
        ValueError: A map is missing, damaged, no gray picture or of another size; names it.
    """
    try:
        jobs = [
            counter.count(name, read_edge_map(folder / f'{name}.png', maps.shape[1:]), maps)
            for name, maps in _annotations(images)
        ]
        return counter.finish(jobs)
    finally:  # also where a map cannot be read
        counter.close()


def count_people(images: Sequence[dict[str, Any]], tolerance: float) -> list[BoundaryCounts]:
    """Counts of each annotator against the others of the image, as if it were a detector.

    Args:
        images: Of :func:`annotated_images`; those of one annotator are left out.
        tolerance: As a share of the diagonal.

    Returns:
        One an annotator, of one threshold.

    Raises:
        ValueError: No image has two annotators.
    """
    counts = []
    for _, maps in tqdm(_annotations(images), 'people', len(images), unit='image', disable=None):
        for index, own in enumerate(maps):
            others = np.delete(maps, index, axis=0)
            if len(others):
                strength = own.astype(np.float32)
                counts.append(
                    count_image(strength, others, np.array([0.5]), tolerance, suppress=False)
                )
    if not counts:
        raise ValueError(
            'no image has two annotators, so that nobody can be compared: leave --people out'
        )
    return counts


def read_edge_map(path: Path, size: tuple[int, ...]) -> NDArray[np.floating]:
    """Read strengths in [0, 1] of a gray picture.

    Raises:
        ValueError: It is missing, damaged, no gray picture, or not of this (height, width).
    """
    try:
        with Image.open(path) as image:
            mode, levels = image.mode, np.asarray(image)
    except (OSError, SyntaxError) as error:
        raise ValueError(f'{path} cannot be read ({type(error).__name__}: {error})') from error
    if mode != 'L':
        raise ValueError(f'{path} is a picture of mode {mode}, expected 8 bits of gray')
    if levels.shape != size:
        raise ValueError(
            f'{path} has (height, width) {levels.shape}, its image has {tuple(size)}: predict at the size of '
            'the image'
        )
    return levels.astype(np.float32) / 255


def draw_curves(curves: dict[str, BoundaryCounts], people: BoundaryCounts | None = None) -> Figure:
    """Precision over recall of detectors, lines of equal F, and people as a point.

    Args:
        curves: Name -> counts of a data set at all thresholds.
        people: Counts of one threshold.
    """
    figure = Figure(figsize=(5.5, 5.2), layout='constrained')
    axes = figure.subplots()
    for f in _F_LINES:
        recall = np.geomspace(f / (2 - f), 1)  # from precision 1 on
        axes.plot(recall, f * recall / (2 * recall - f), '0.8', lw=0.7, zorder=0)
        axes.annotate(f'{f:.1f}', (1, f / (2 - f)), color='0.5', fontsize=7)
    for name, counts in curves.items():
        precision, recall = precision_recall(counts)
        is_some = counts.predicted > 0
        best, *_ = best_between(np.arange(len(precision), dtype=float), precision, recall)
        axes.plot(recall[is_some], precision[is_some], label=f'{name} (F {best:.3f})')
    if people is not None:
        (precision,), (recall,) = precision_recall(people)
        f = f_measure(np.array(precision), np.array(recall))
        axes.plot(recall, precision, 'o', color='tab:green', label=f'people (F {f:.3f})')
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel='recall', ylabel='precision', aspect='equal')
    axes.legend(loc='lower left')
    return figure


def _annotations(images: Sequence[dict[str, Any]]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    for image in images:
        maps = read_annotators(image['seg_map_path'], image['num_annotators'])
        yield Path(image['img_path']).stem, maps
