"""The report of a search in label space: numbers that json has, colours of classes and of void."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from segmentation_models import samples

from labelenc_mm.analysis.label_regions import Regions
from labelenc_mm.analysis.nearest_regions import NearestRegions
from labelenc_mm.analysis.region_report import describe, draw, write_json
from labelenc_mm.analysis.region_retrieval import retrieve

VOID_COLOR = (224, 224, 192)  # of VOC


class DataSet:
    """One image whose label map has labels 0 to 2 and void."""

    def __init__(self, folder, **metainfo):
        self.metainfo = metainfo
        label_map = torch.tensor([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 255, 255], [2, 2, 255, 255]])
        (self.sample,) = samples(label_map[None])
        path = folder / 'image.png'
        Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path)
        self.sample.set_metainfo(dict(img_path=str(path)))

    def __getitem__(self, index):
        return {'data_samples': self.sample}


def regions(*labels):
    """Regions of 2 x 2 pixels of one label, whose code is the label."""
    labels = torch.tensor(labels)
    cells = torch.stack([labels // 2, labels % 2], 1)
    pixels = labels.to(torch.int16)[:, None, None].expand(-1, 2, 2)
    return Regions(labels[:, None].float(), cells, pixels)


def search(count, gallery=(0, 1)):
    """Query: the region of label 0."""
    nearest = NearestRegions(regions(0).codes, count)
    return retrieve((regions(0), [0]), ['query'], [('other', regions(*gallery))], nearest, 0)


def strict(constant):
    raise AssertionError(f'{constant} is no json')


def test_where_there_is_no_neighbour_the_json_says_null(tmp_path):
    dataset = DataSet(tmp_path, classes=('a', 'b', 'c'))
    content = describe(search(3), dataset, dataset, {})
    write_json(tmp_path / 'out.json', content)
    read = json.loads((tmp_path / 'out.json').read_text(), parse_constant=strict)
    assert read['summary']['label_agreement'] == [1.0, 0.0, None]
    neighbours = read['queries'][0]['neighbours']
    assert [(n['class'], n['label_agreement']) for n in neighbours] == [('a', 1.0), ('b', 0.0)]
    assert neighbours[1]['box'] == [2, 0, 4, 2]
    with pytest.raises(ValueError, match='not JSON compliant'):
        write_json(tmp_path / 'out.json', {'share': float('nan')})
    assert json.loads((tmp_path / 'out.json').read_text()) == read


@pytest.mark.parametrize('palette', [None, [], [[9, 8, 7], [6, 5, 4], [3, 2, 1]]])
@pytest.mark.parametrize('more', [0, 300])
def test_void_has_its_own_colour_with_and_without_a_palette(palette, more, tmp_path):
    palette = palette and palette + [[1, 1, 1]] * more
    dataset = DataSet(tmp_path, palette=palette)
    figure = draw(search(1), dataset, dataset, {0: 'random'})
    (picture,) = figure.axes[1].get_images()
    colors = np.asarray(picture.get_array())
    assert tuple(colors[3, 3]) == VOID_COLOR
    of_classes = [tuple(map(int, colors[at])) for at in ((0, 0), (0, 3), (3, 0))]
    assert len({*of_classes, VOID_COLOR}) == 4
    if palette:
        assert of_classes == [(9, 8, 7), (6, 5, 4), (3, 2, 1)]
