"""The measures of surface normals against numpy on all pixels, in one process and in two."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from normal_files import random_normals
from training_runs import run_script

from labelenc_mm.evaluation import SurfaceNormalMetric
from labelenc_mm.evaluation.surface_normal_metric import angles

SIZES = [(21, 30), (15, 15), (40, 13), (9, 50), (11, 11)]


def vectors(size, seed, unknown=0.1):
    return torch.from_numpy(random_normals(size, seed, unknown)).permute(2, 0, 1).float()


def samples():
    found = []
    for seed, size in enumerate(SIZES):
        true = vectors(size, seed)
        predicted = torch.nn.functional.normalize(true + 0.4 * torch.randn_like(true), dim=0)
        found.append(
            dict(gt_normals=dict(data=true), pred_normals=dict(data=predicted), img_path='a.jpg')
        )
    return found


def by_numpy(data):
    """Of all pixels at once, by the arc cosine."""
    cosines = []
    for sample in data:
        true, predicted = (
            sample[key]['data'].double().flatten(1).numpy()
            for key in ('gt_normals', 'pred_normals')
        )
        known = true.any(axis=0)
        product = (true * predicted).sum(0)[known]
        norms = [np.linalg.norm(each[:, known], axis=0) for each in (true, predicted)]
        cosines.append(product / (norms[0] * norms[1]))
    degrees = np.rad2deg(np.arccos(np.concatenate(cosines).clip(-1, 1)))
    expected = dict(
        mean=degrees.mean(), median=np.median(degrees), rmse=math.sqrt(np.mean(degrees**2))
    )
    for threshold in (11.25, 22.5, 30):
        expected[f'within_{threshold:g}'] = 100 * np.mean(degrees < threshold)
    return {f'normals/{name}': value for name, value in expected.items()}


def check(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=0.005 if 'median' in name else 1e-6), name


@pytest.fixture
def data():
    torch.manual_seed(0)
    return samples()


def test_measures_are_those_of_all_pixels_pooled(data):
    metric = SurfaceNormalMetric()
    for _ in range(2):  # nothing is left over from one evaluation to the next
        metric.process(None, data[:2])
        metric.process(None, data[2:])
        check(metric.evaluate(len(data)), by_numpy(data))


def test_pooling_is_not_the_mean_over_images(data):
    metric = SurfaceNormalMetric()
    per_image = []
    for sample in data:
        metric.process(None, [sample])
        per_image.append(metric.evaluate(1)['normals/mean'])
    metric.process(None, data)
    assert abs(np.mean(per_image) - metric.evaluate(len(data))['normals/mean']) > 1e-3


def main(folder):
    """One rank: what it measures of its images."""
    folder = Path(folder)
    data = torch.load(folder / 'data.pth')
    dist.init_process_group('gloo')
    rank = dist.get_rank()
    metric = SurfaceNormalMetric()
    # As mmengine's sampler deals five images out: the first one twice.
    metric.process(None, [data[index] for index in ((0, 2, 4), (1, 3, 0))[rank]])
    (folder / f'{rank}.json').write_text(json.dumps(metric.evaluate(len(data))))
    dist.barrier()  # who leaves early may take along what the other still waits for
    dist.destroy_process_group()


def test_two_processes_measure_what_one_does(data, tmp_path):
    torch.save(data, tmp_path / 'data.pth')
    run_script(__file__, tmp_path, work_dir=tmp_path, processes=2, timeout=120)
    for rank in range(2):
        check(json.loads((tmp_path / f'{rank}.json').read_text()), by_numpy(data))


def test_known_angles():
    turned = np.deg2rad([0, 1e-5, 60, 180])
    predicted = torch.tensor(np.stack([np.sin(turned), 0 * turned, np.cos(turned)]))[:, None]
    true = torch.tensor([0.0, 0, 1]).view(3, 1, 1).expand(3, 1, 4)
    np.testing.assert_allclose(angles(predicted, true)[:4], [0, 1e-5, 60, 180], rtol=1e-9)
    assert angles(torch.zeros(3, 1, 4), true).tolist() == [90] * 4


@pytest.mark.parametrize('degrees', [[10.0], [10.0, 20.0], [0.0, 0.0, 180.0], [3.0] * 3 + [9.0]])
def test_median_of_few_pixels(degrees):
    turned = np.deg2rad(degrees)
    predicted = torch.tensor(np.stack([np.sin(turned), 0 * turned, np.cos(turned)]))[:, None]
    true = torch.zeros_like(predicted)
    true[2] = 1
    metric = SurfaceNormalMetric()
    metric.process(None, [dict(gt_normals=dict(data=true), pred_normals=dict(data=predicted))])
    assert metric.evaluate(1)['normals/median'] == pytest.approx(np.median(degrees), abs=0.0051)


def test_data_without_any_normal_have_no_score(data):
    metric = SurfaceNormalMetric()
    data[0]['gt_normals']['data'] *= 0
    metric.process(None, data[:1])
    assert all(math.isnan(value) for value in metric.evaluate(1).values())


def test_sample_without_normals_or_of_another_size_is_named(data):
    metric = SurfaceNormalMetric()
    wrong = dict(data[0], pred_normals=data[1]['pred_normals'])
    with pytest.raises(ValueError, match=r'a\.jpg: predicted .*\(3, 15, 15\).*\(3, 21, 30\)'):
        metric.process(None, [wrong])
    del wrong['gt_normals']
    with pytest.raises(ValueError, match=r'a\.jpg: the sample has no gt_normals'):
        metric.process(None, [wrong])


if __name__ == '__main__':
    main(*sys.argv[1:])
