"""Counts of many images: in several processes, and kept in files so that a repeated evaluation goes on."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from labelenc_mm.evaluation.edges.counts import BoundaryCounts, count_image
from labelenc_mm.files import replacing

_COLUMNS = 'threshold found annotated right predicted'
_VERSION = 1
"""Of what is counted: to be raised whenever the same map gets other counts."""


class Counter:
    """Counts images one after the other, or in processes beside this one.

    Args:
        values: (T,) rising thresholds.
        tolerance: As a share of the diagonal.
        processes: Beside this one; 0 to count here.
        folder: Where the counts of each image are kept, as text; None for nowhere. Counts of the same map
            and annotators that are there are taken instead of counting.

    Raises:
        ValueError: A number makes no sense.
    """

    def __init__(
        self,
        values: NDArray[np.floating],
        tolerance: float,
        processes: int = 0,
        folder: str | Path | None = None,
    ) -> None:
        if not len(values) or tolerance <= 0 or processes < 0:
            raise ValueError(
                f'{len(values)} thresholds must be at least 1, tolerance={tolerance} above 0, '
                f'processes={processes} not negative'
            )
        self.values = values
        self.tolerance = tolerance
        self.processes = processes
        self.folder = None if folder is None else Path(folder)
        self._pool: ProcessPoolExecutor | None = None

    def count(
        self,
        name: str,
        strength: NDArray[np.floating],
        annotators: Sequence[NDArray[np.bool_]] | NDArray[np.bool_],
    ) -> BoundaryCounts | Future:
        """Count an image, or have it counted.

        Args:
            name: Of the image.
            strength: (H, W) in [0, 1].
            annotators: K maps of (H, W).

        Raises:
            ValueError: The map holds what is no number.
        """
        if not np.isfinite(strength).all():
            raise ValueError(
                f'{name}: its edge map has values that are no numbers: the model diverged'
            )
        path = self.folder and self.folder / f'{name}.txt'
        job = (path, strength, np.asarray(annotators, bool), self.values, self.tolerance)
        if not self.processes:
            return _count(*job)
        if self._pool is None:
            # Not forked: this process may have threads, and a GPU.
            self._pool = ProcessPoolExecutor(
                self.processes, get_context('spawn'), cv2.setNumThreads, (0,)
            )
        return self._pool.submit(_count, *job)

    def finish(
        self, jobs: Sequence[BoundaryCounts | Future], is_quiet: bool = False
    ) -> list[BoundaryCounts]:
        """Wait for what :meth:`count` gave, with a progress bar unless quiet, and end the processes."""
        try:
            progress = tqdm(jobs, 'edges', unit='image', disable=True if is_quiet else None)
            return [job.result() if isinstance(job, Future) else job for job in progress]
        finally:
            self.close()

    def close(self) -> None:
        """End the processes."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), '_pool': None}


def _count(
    path: Path | None,
    strength: NDArray[np.floating],
    annotators: NDArray[np.bool_],
    values: NDArray[np.floating],
    tolerance: float,
) -> BoundaryCounts:
    if path is None:
        return count_image(strength, annotators, values, tolerance)
    key = _key(_VERSION, strength, annotators, values, tolerance)
    counts = _read(path, key)
    if counts is None:
        counts = count_image(strength, annotators, values, tolerance)
        with replacing(path) as unfinished:
            table = np.column_stack([values, *counts])
            np.savetxt(unfinished, table, '%.9g', header=f'{key}\n{_COLUMNS}')
    return counts


def _read(path: Path, key: str) -> BoundaryCounts | None:
    """What a file holds, None if there is none of this map."""
    try:
        head, _, _ = path.read_text(encoding='utf-8').partition('\n')
        if head != f'# {key}':
            return None
        table = np.loadtxt(path, ndmin=2)
    except (OSError, ValueError):
        return None
    return BoundaryCounts(*table[:, 1:].T.astype(np.int64))


def _key(*parts: Any) -> str:
    """What counts depend on, in short."""
    digest = hashlib.sha256()
    for part in map(np.ascontiguousarray, parts):
        digest.update(f'{part.dtype}{part.shape}'.encode())
        digest.update(part.tobytes())
    return digest.hexdigest()
