"""Edge maps in a pipeline: from the votes of annotators to labels, and into the sample."""

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.structures import PixelData
from mmseg.datasets.transforms import PackSegInputs
from mmseg.registry import TRANSFORMS
from torch import from_numpy

from labelenc_mm.datasets.edges.annotations import EdgeAnnotationError, read_annotators
from labelenc_mm.labels import VOID


@TRANSFORMS.register_module()
class LoadEdgeMap(BaseTransform):
    """Read ``gt_edge_map``: 1 where enough annotators drew an edge, 0 where none did, void between.

    Follows ``LoadImageFromFile``. The map is (H, W) uint8 and one of the ``seg_fields``, which transforms
    of mmseg flip, crop and resize with the image.

    Args:
        min_votes: Annotators who must agree on a positive pixel. PixelNet and HED take 3 of the 4 to 9 of
            BSDS500. The papers do not say what becomes of pixels with fewer votes: here they are void.
        keep_annotators: Whether the maps of all annotators are kept beside it, in the size in which they were
            read, for :class:`BoundaryMetric`.
        backend_args: Of the file backend.

    Raises:
        EdgeAnnotationError: When a file is read: it is damaged, of no annotator, of fewer than
            ``min_votes``, or of another size than its image; names it.
    """

    def __init__(
        self,
        min_votes: int = 3,
        keep_annotators: bool = False,
        backend_args: dict[str, Any] | None = None,
    ) -> None:
        if min_votes < 1:
            raise ValueError(f'LoadEdgeMap.min_votes={min_votes} must be at least 1')
        self.min_votes = min_votes
        self.keep_annotators = keep_annotators
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Read ``seg_map_path`` of ``num_annotators``."""
        path = results['seg_map_path']
        maps = read_annotators(path, results.get('num_annotators'), self.backend_args)
        size = tuple(map(int, results['ori_shape'][:2]))
        if maps.shape[1:] != size:
            raise EdgeAnnotationError(
                f'{path}: the edge map has (height, width) {maps.shape[1:]}, its image '
                f'{results.get("img_path")} has {size}: restore the pair'
            )
        if len(maps) < self.min_votes:
            raise EdgeAnnotationError(
                f'{path} has {len(maps)} annotators, of whom LoadEdgeMap.min_votes={self.min_votes} cannot '
                'agree: lower it, or take the image out of the list'
            )
        votes = maps.sum(0)
        labels = np.where(votes >= self.min_votes, 1, np.where(votes > 0, VOID, 0))
        results['gt_edge_map'] = labels.astype(np.uint8)
        results.setdefault('seg_fields', []).append('gt_edge_map')
        if self.keep_annotators:
            results['edge_annotators'] = maps
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(min_votes={self.min_votes}, '
            f'keep_annotators={self.keep_annotators})'
        )


@TRANSFORMS.register_module()
class PackEdgeInputs(PackSegInputs):
    """mmseg's ``PackSegInputs``, which packs ``gt_edge_map``, and the annotators as ``gt_edge_annotators``."""

    def transform(self, results: dict) -> dict:
        """Pack."""
        packed = super().transform(results)
        if 'edge_annotators' in results:
            maps = PixelData(data=from_numpy(results['edge_annotators'].astype(np.uint8)))
            packed['data_samples'].set_data(dict(gt_edge_annotators=maps))
        return packed
