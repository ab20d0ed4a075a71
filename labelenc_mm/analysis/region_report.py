"""The report of a region search, as a json and as a picture (CVPR 2018, Figure 7)."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from labelenc_mm.analysis.label_regions import main_class
from labelenc_mm.analysis.region_retrieval import Retrieval
from labelenc_mm.engine.data.samples import backend_of, metainfo_of
from labelenc_mm.files import replacing
from labelenc_mm.labels import VOID, VOID_COLOR

_PANEL_WIDTH = 1.7  # inches
_COLORS_WITHOUT_PALETTE = [
    tuple(np.multiply(colormaps['tab20'](i % 20)[:3], 255)) for i in range(VOID)
]
_COLORS = {'random': 'tab:green', 'worst': 'tab:red'}


class RegionInFile:
    """A region of a sample of a data set.

    Args:
        dataset: The data set.
        index: Number of the sample.
        cell: (2,) row and column.
        labels: (s, s) labels of its pixels.
    """

    def __init__(self, dataset: Any, index: int, cell: Tensor, labels: Tensor) -> None:
        self.metainfo = metainfo_of(dataset)
        self.backend_args = backend_of(dataset)
        self.sample = dataset[index]['data_samples']
        self.cell = cell.tolist()
        classes = self.metainfo.get('classes')
        label = int(main_class(labels[None])[0])
        self.name = classes[label] if classes else str(label)
        # From the network's input, which a resize has made, to the file.
        side = labels.shape[-1]
        seen, full = self.sample.img_shape[:2], self.sample.ori_shape[:2]
        edges = [
            (at * side * whole / length, min((at + 1) * side, length) * whole / length)
            for at, length, whole in zip(self.cell, seen, full, strict=True)
        ]
        (y1, y2), (x1, x2) = edges
        self.box = tuple(round(edge, 2) for edge in (x1, y1, x2, y2))

    @property
    def aspect(self) -> float:
        """Height of the image as a share of its width."""
        height, width = self.sample.ori_shape[:2]
        return height / width

    def describe(self) -> dict[str, Any]:
        """The region for a json; the box is (x1, y1, x2, y2) in pixels of the image file."""
        return {
            'image': self.sample.img_path,
            'label_map': self.sample.seg_map_path,
            'cell': self.cell,
            'box': self.box,
            'class': self.name,
        }

    def draw(self, image_panel: Any, map_panel: Any, color: str) -> None:
        """Draw the image and its label map with the region in them."""
        height, width = self.sample.ori_shape[:2]
        label_map = self.sample.gt_sem_seg.data[0].numpy()
        palette = np.full((VOID + 1, 3), VOID_COLOR, np.uint8)
        colors = np.asarray(self.metainfo.get('palette') or _COLORS_WITHOUT_PALETTE, np.uint8)
        palette[: min(len(colors), VOID)] = colors[:VOID]
        pictures = (
            mmcv.imread(self.sample.img_path, channel_order='rgb', backend_args=self.backend_args),
            palette[np.clip(label_map, 0, VOID)],
        )
        x1, y1, x2, y2 = self.box
        for panel, picture in zip((image_panel, map_panel), pictures, strict=True):
            # Edges of pixels at whole numbers, as in the box.
            panel.imshow(picture, extent=(0, width, height, 0), interpolation='nearest')
            for edge, line in (('white', 3.0), (color, 1.5)):
                rectangle = Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False)
                rectangle.set(edgecolor=edge, linewidth=line)
                panel.add_patch(rectangle)


def describe(
    found: Retrieval, queries: Any, gallery: Any, shown: Mapping[int, str]
) -> dict[str, Any]:
    """All queries and their neighbours, for a json.

    Args:
        found: What was found.
        queries: Data set of the queries.
        gallery: Data set of the gallery.
        shown: Number of a query that is shown -> why: 'random' or 'worst'.

    Returns:
        Plain JSON values; a share of which nothing is known, as of a neighbour that no query has, is
        None.
    """
    entries = []
    for index in range(len(found.queries)):
        entry = _query(found, queries, index).describe()
        entry['shown_as'] = shown.get(index)
        entry['neighbours'] = [
            {
                **region.describe(),
                'distance': float(found.nearest.distances[index, rank]),
                'label_agreement': _share(found.agreement[index, rank]),
            }
            for rank, region in enumerate(_neighbours(found, gallery, index))
        ]
        entries.append(entry)
    summary = {
        'queries': len(found.queries),
        'gallery_regions': found.num_regions,
        'label_agreement': [_share(share) for share in found.agreement.nanmean(0)],
        'chance': _share(found.chance.nanmean()),
        'metric': found.nearest.metric,
    }
    return {'summary': summary, 'queries': entries}


def draw(found: Retrieval, queries: Any, gallery: Any, shown: Mapping[int, str]) -> Figure:
    """Draw a row for each shown query: it, then its neighbours, each as image and label map.

    Args:
        found: What was found.
        queries: Data set of the queries.
        gallery: Data set of the gallery.
        shown: Number of a query -> why it is shown: 'random' or 'worst'.
    """
    columns = 1 + found.agreement.shape[1]
    rows = [[_query(found, queries, index), *_neighbours(found, gallery, index)] for index in shown]
    heights = [_PANEL_WIDTH * max(region.aspect for region in row) + 0.3 for row in rows]
    figure = Figure(figsize=(2 * _PANEL_WIDTH * columns, sum(heights) + 0.3), layout='constrained')
    axes = figure.subplots(len(shown), 2 * columns, squeeze=False, height_ratios=heights)
    for panel in axes.ravel():
        panel.axis('off')
    rest = len(found.queries) - sum(why == 'random' for why in shown.values())
    figure.suptitle(f'green: drawn at random; red: the worst of {rest} more queries', fontsize=9)
    for row, regions, (index, why) in zip(axes, rows, shown.items(), strict=True):
        row[0].set_title(
            f'{why}: {regions[0].name}',
            fontsize=8,
            color=_COLORS[why],
            loc='left',
            parse_math=False,
        )
        for pair, region in zip(row.reshape(-1, 2), regions, strict=False):
            region.draw(pair[0], pair[1], _COLORS[why])
        for rank, region in enumerate(regions[1:]):
            distance = float(found.nearest.distances[index, rank])
            agreement = float(found.agreement[index, rank])
            text = f'{region.name}: {agreement:.0%} agree, distance {distance:.3g}'
            row[2 * rank + 2].set_title(text, fontsize=8, loc='left', parse_math=False)
    return figure


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a json; the file is complete or not there."""
    text = json.dumps(content, indent=1, allow_nan=False) + '\n'
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding='utf-8')


def _share(share: Tensor) -> float | None:
    """A share as a number, None instead of NaN, which json does not have."""
    return None if share.isnan() else float(share)


def _query(found: Retrieval, dataset: Any, index: int) -> RegionInFile:
    regions = found.queries
    return RegionInFile(
        dataset, found.query_images[index], regions.cells[index], regions.labels[index]
    )


def _neighbours(found: Retrieval, dataset: Any, index: int) -> list[RegionInFile]:
    nearest = found.nearest
    assert nearest.labels is not None
    return [
        RegionInFile(dataset, image, nearest.cells[index, rank], nearest.labels[index, rank])
        for rank, image in enumerate(nearest.images[index].tolist())
        if image >= 0
    ]
