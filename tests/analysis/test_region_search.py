"""The search that a config describes: which data and codes it takes, and what it refuses beforehand."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config

pytest.importorskip('mmseg')

from random_regions import gallery, make_regions

from labelenc_mm.analysis import region_search
from labelenc_mm.analysis.region_search import CodeSources, ignore_index_of, search


@pytest.mark.parametrize('kind', ['segmentor', 'cascade', 'autoencoder', 'default'])
def test_void_is_what_the_config_says(kind):
    model = {
        'segmentor': dict(decode_head=dict(ignore_index=7)),
        'cascade': dict(decode_head=[dict(ignore_index=9), dict(ignore_index=7)]),
        'autoencoder': dict(type='LabelAutoEncoder', ignore_index=7),
        'default': dict(decode_head=dict(ignore_index=None)),
    }[kind]
    expected = 255 if kind == 'default' else 7
    assert ignore_index_of(Config(dict(model=model))) == expected


class Images(list):
    """ "Images" that are regions already."""

    metainfo = dict(classes=['a', 'b', 'c', 'd'])

    def get_data_info(self, index):
        return dict(img_path=f'{index}.png')


@pytest.fixture
def data(monkeypatch):
    """Training and validation set; codes are what the samples are, whatever gives them."""
    splits = dict(train=Images(make_regions(30, seed) for seed in (3, 4)), val=Images(gallery()))
    asked = []

    def build_split(config, split, with_images):
        asked.append((split, with_images))
        return splits[split]

    monkeypatch.setattr(region_search, 'build_split', build_split)
    coders = dict.fromkeys(('labels', 'images'), lambda regions: regions)
    monkeypatch.setattr(CodeSources, 'build', lambda *_: coders)
    return SimpleNamespace(**splits, asked=asked)


def test_it_finds_the_nearest_of_the_validation_set_and_reads_images_where_they_are_asked_for(data):
    found, splits = search(Config(), CodeSources('labels', 'images'), pool=10, neighbours=1)
    assert data.asked == [('train', False), ('val', True)]
    assert splits == dict(queries=data.train, gallery=data.val)
    assert sorted(found.query_images) == [0, 1]  # a pool is no larger than the data
    others = [
        torch.cat([regions.codes for i, regions in enumerate(data.val) if i != own])
        for own in found.query_images  # no region of an image of the same path
    ]
    for code, codes, distance in zip(
        found.queries.codes, others, found.nearest.distances, strict=True
    ):
        torch.testing.assert_close((codes - code).norm(dim=1).min(), distance[0])


def test_queries_are_of_the_classes_that_are_asked_for(data):
    found, _ = search(Config(), CodeSources('labels', 'labels'), class_names=['c'])
    assert len(found.queries) and all(
        (labels == 2).sum() >= (labels == other).sum()
        for labels in found.queries.labels
        for other in range(4)
    )
    with pytest.raises(ValueError, match='--classes x y: the classes are a, b, c, d'):
        search(Config(), CodeSources('labels', 'labels'), class_names=['x', 'a', 'y'])


@pytest.mark.parametrize(
    ('kind', 'message'), [('labels', 'need --autoencoder'), ('images', 'need --checkpoint')]
)
def test_a_file_that_codes_need_is_asked_for(kind, message):
    with pytest.raises(ValueError, match=message):
        CodeSources(kind, kind).build(Config(), [])


def test_codes_of_a_decoder_that_was_trained_further_are_compared_with_each_other_alone(
    monkeypatch,
):
    trained = SimpleNamespace(head=SimpleNamespace(learns=True))
    monkeypatch.setattr(CodeSources, '_segmentor', lambda *_: trained)
    monkeypatch.setattr(CodeSources, '_encoder', lambda *_: 'encoder')
    both = CodeSources('labels', 'images', 'a.safetensors', 'c.pth')
    with pytest.raises(ValueError, match='freeze=False'):
        both.build(Config(), [])
    assert CodeSources('images', 'images', checkpoint='c.pth').build(Config(), []) == dict(
        images=trained
    )
