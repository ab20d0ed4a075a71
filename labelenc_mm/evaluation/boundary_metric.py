"""The benchmark of edge detection: ODS, OIS and AP of boundaries against several annotators.

Martin, Fowlkes and Malik (PAMI 2004) and Arbelaez, Maire, Fowlkes and Malik (PAMI 2011); of PixelNet Tables 6
and 7.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.utils import mkdir_or_exist
from mmseg.registry import METRICS

from labelenc_mm.evaluation.edges.counts import TOLERANCE, BoundaryCounts, thresholds
from labelenc_mm.evaluation.edges.kept_counts import Counter
from labelenc_mm.evaluation.edges.matching import load_solver
from labelenc_mm.evaluation.edges.scores import score

ANNOTATORS = 'gt_edge_annotators'
"""Field of a data sample: a ``PixelData`` of (K, H, W) maps, one of each annotator."""


@METRICS.register_module()
class BoundaryMetric(BaseMetric):
    """ODS, OIS and AP in [0, 1], after non-maximum suppression and thinning.

    Reads ``seg_logits``, of models with one logit the probability of an edge, and what ``PackEdgeInputs``
    packed of the annotators. Needs the package ``lap``: ``pip install 'labelenc-mm[edges]'``.

    Args:
        num_thresholds: Thresholds at which maps are compared; published figures have 99. Time is proportional
            to it.
        tolerance: How far two edge pixels of a pair may be apart, as a share of the image's diagonal; the
            benchmark's for BSDS500.
        processes: Beside this one, which count while the network goes on; 0 to count in this one.
        counts_dir: Folder of the counts of each image, by which an evaluation that was interrupted goes on;
            None for none.
        output_dir: Folder for the edge maps as 8-bit PNGs; None for none.
        format_only: Whether to write the maps and compare nothing.
        keep_results: Set with ``output_dir`` by the toolbox's tools; it changes nothing.
        collect_device: As in mmengine.
        prefix: As in mmengine.

    Raises:
        ImportError: ``lap`` is missing.
        ValueError: Arguments do not fit each other, or a sample has no annotators or a map of another size;
            names the file.
    """

    def __init__(
        self,
        num_thresholds: int = 99,
        tolerance: float = TOLERANCE,
        processes: int = 0,
        counts_dir: str | None = None,
        output_dir: str | None = None,
        format_only: bool = False,
        keep_results: bool = True,
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.results: list[Any]
        if format_only and output_dir is None:
            raise ValueError('BoundaryMetric: format_only=True needs output_dir, where maps go')
        if not format_only:
            load_solver()
        self.output_dir = output_dir
        self.format_only = format_only
        self.values = thresholds(num_thresholds)
        self.counter = Counter(self.values, tolerance, processes, counts_dir)

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count the images of a batch, or have them counted."""
        for sample in data_samples:
            path = Path(sample['img_path'])
            strength = sample['seg_logits']['data'].float().cpu().numpy()
            if len(strength) != 1:
                raise ValueError(
                    f'{path}: {len(strength)} scores a pixel, but an edge has one probability: set '
                    'out_channels=1 and num_classes=2 of the decode head'
                )
            if self.output_dir is not None:
                write_edge_map(Path(self.output_dir) / f'{path.stem}.png', strength[0])
            if self.format_only:
                self.results.append(None)
                continue
            annotators = self._annotators_of(sample, strength.shape[1:])
            self.results.append(self.counter.count(path.stem, strength[0], annotators))

    def evaluate(self, size: int) -> dict:
        """Wait for what is still being counted, then score."""
        self.results[:] = self.counter.finish(self.results, is_quiet=not self.counter.processes)
        return super().evaluate(size)

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Score the counts of all images."""
        if self.format_only:
            return {}
        scores = score([BoundaryCounts(*map(np.asarray, each)) for each in results], self.values)
        return {
            'ODS': scores.ods,
            'OIS': scores.ois,
            'AP': scores.ap,
            'precision': scores.ods_precision,
            'recall': scores.ods_recall,
            'threshold': scores.ods_threshold,
        }

    def _annotators_of(self, sample: dict, size: tuple[int, ...]) -> np.ndarray:
        path = sample['img_path']
        if ANNOTATORS not in sample:
            raise ValueError(
                f'{path}: the sample has no {ANNOTATORS}. Load it by LoadEdgeMap(keep_annotators=True) and '
                'pack it by PackEdgeInputs in the pipeline'
            )
        maps = sample[ANNOTATORS]['data'].cpu().numpy().astype(bool)
        if maps.shape[1:] != size:
            raise ValueError(
                f'{path}: annotators have maps of (height, width) {maps.shape[1:]}, the prediction has '
                f'{size}: restore the pair'
            )
        return maps


def write_edge_map(path: Path, strength: np.ndarray) -> None:
    """Write strengths in [0, 1] as the gray levels of a PNG."""
    mkdir_or_exist(str(path.parent))
    if not cv2.imwrite(str(path), np.rint(strength.clip(0, 1) * 255).astype(np.uint8)):
        raise OSError(f'{path} cannot be written')
