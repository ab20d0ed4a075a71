"""BoundaryMetric as mmengine calls it: scores, processes, kept counts, maps as files, two ranks, faults."""

import sys

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import METRICS
from mmseg.structures import SegDataSample

from labelenc_mm.evaluation.edges import kept_counts
from labelenc_mm.evaluation.edges.counts import count_image, thresholds
from labelenc_mm.evaluation.edges.scores import score

SIZE = (40, 56)


def sample(seed, number=3):
    rng = np.random.default_rng(seed)
    maps = np.zeros((number, *SIZE), np.uint8)
    for each in maps:
        each[rng.integers(8, 32), 6:50] = 1
        each[5:35, rng.integers(8, 48)] = 1
    strength = cv2.GaussianBlur(maps[0].astype(np.float32), (0, 0), 1.5)
    strength = np.clip(2 * strength + 0.2 * rng.random(SIZE), 0, 1).astype(np.float32)
    data = SegDataSample(metainfo=dict(img_path=f'images/{seed}.jpg'))
    data.seg_logits = PixelData(data=torch.from_numpy(strength)[None])
    data.gt_edge_annotators = PixelData(data=torch.from_numpy(maps))
    return data


def build(**options):
    init_default_scope('mmseg')
    return METRICS.build(dict(type='BoundaryMetric', num_thresholds=9) | options)


def run(metric, seeds=range(4)):
    for seed in seeds:
        metric.process(None, [sample(seed).to_dict()])
    return metric.evaluate(len(seeds))


@pytest.fixture(scope='module')
def expected():
    counts = []
    for seed in range(4):
        data = sample(seed)
        maps = data.gt_edge_annotators.data.numpy() > 0
        counts.append(count_image(data.seg_logits.data[0].numpy(), maps, thresholds(9)))
    found = score(counts, thresholds(9))
    assert 0.2 < found.ods <= found.ois < 1
    return dict(
        ODS=found.ods,
        OIS=found.ois,
        AP=found.ap,
        precision=found.ods_precision,
        recall=found.ods_recall,
        threshold=found.ods_threshold,
    )


def test_scores_are_those_of_the_counts(expected):
    assert run(build()) == expected


def test_processes_count_the_same_and_end(expected):
    metric = build(processes=1)
    assert run(metric) == expected
    assert metric.counter._pool is None
    assert run(metric) == expected  # as the next validation does


def test_kept_counts_are_not_counted_again(expected, tmp_path, monkeypatch):
    folder = tmp_path / 'counts'
    assert run(build(counts_dir=str(folder))) == expected
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == [f'{seed}.txt' for seed in range(4)]
    table = np.loadtxt(files[0])
    assert table.shape == (9, 5) and np.allclose(table[:, 0], thresholds(9))

    def refuse(*args):
        raise AssertionError('counted again')

    monkeypatch.setattr(kept_counts, 'count_image', refuse)
    assert run(build(counts_dir=str(folder))) == expected
    with pytest.raises(AssertionError, match='counted again'):
        run(build(counts_dir=str(folder), tolerance=0.01))
    with pytest.raises(AssertionError, match='counted again'):
        run(build(counts_dir=str(folder), num_thresholds=10))


@pytest.mark.parametrize('content', ['', '# another key\n1 2 3 4 5\n', None])
def test_counts_of_another_map_and_damaged_files_are_counted_anew(expected, tmp_path, content):
    run(build(counts_dir=str(tmp_path)))
    path = tmp_path / '2.txt'
    path.write_text(path.read_text().rpartition(' ')[0] if content is None else content)
    assert run(build(counts_dir=str(tmp_path))) == expected
    assert np.loadtxt(path).shape == (9, 5)


def test_maps_are_written_as_gray_levels(tmp_path):
    metric = build(output_dir=str(tmp_path / 'maps'), format_only=True)
    assert run(metric) == {}
    for seed in range(4):
        levels = cv2.imread(str(tmp_path / f'maps/{seed}.png'), cv2.IMREAD_UNCHANGED)
        assert levels.dtype == np.uint8
        strength = sample(seed).seg_logits.data[0].numpy()
        assert np.abs(levels / 255 - strength).max() <= 0.5 / 255 + 1e-6


def test_ranks_add_up_their_images(expected, monkeypatch):
    """What mmengine's collection hands over on one rank of two, with the image that fills up the second."""
    metric, other = build(), build()
    for seed in (0, 2):
        metric.process(None, [sample(seed).to_dict()])
    for seed in (1, 3):
        other.process(None, [sample(seed).to_dict()])

    def collect(results, size, *args, **kwargs):
        mixed = [each for pair in zip(results, other.results) for each in pair]
        return mixed[:size]

    monkeypatch.setattr('mmengine.evaluator.metric.collect_results', collect)
    assert metric.evaluate(4) == expected


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(num_thresholds=0), '0 thresholds must be at least 1'),
        (dict(tolerance=0), 'tolerance=0 above 0'),
        (dict(processes=-1), 'processes=-1 not negative'),
        (dict(format_only=True), 'format_only=True needs output_dir'),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        build(**options)


def test_a_missing_solver_is_told_before_the_network_runs(monkeypatch):
    monkeypatch.setitem(sys.modules, 'lap', None)
    with pytest.raises(ImportError, match=r'labelenc-mm\[edges\]'):
        build()
    build(format_only=True, output_dir='maps')


def without_annotators(data):
    del data.gt_edge_annotators


def two_scores(data):
    data.seg_logits = PixelData(data=torch.zeros(2, *SIZE))


def another_size(data):
    data.gt_edge_annotators = PixelData(data=torch.zeros(3, 40, 55))


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (without_annotators, r'7\.jpg: .*no gt_edge_annotators.*keep_annotators=True'),
        (two_scores, r'7\.jpg: 2 scores a pixel.*out_channels=1'),
        (another_size, r'7\.jpg: .*\(40, 55\), the prediction has \(40, 56\)'),
    ],
)
def test_wrong_samples_are_named(change, message):
    data = sample(7)
    change(data)
    with pytest.raises(ValueError, match=message):
        build().process(None, [data.to_dict()])


def test_a_map_that_is_no_number_is_told_by_its_image():
    sample = dict(
        img_path='images/7.jpg',
        seg_logits=dict(data=torch.full((1, 8, 9), float('nan'))),
        gt_edge_annotators=dict(data=torch.zeros(2, 8, 9)),
    )
    with pytest.raises(ValueError, match='7: its edge map has values that are no numbers'):
        build().process(None, [sample])
