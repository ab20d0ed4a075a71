"""Pictures of normals and edges, and what is left to mmseg."""

from types import SimpleNamespace

import cv2
import mmseg
import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmengine.utils import digit_version
from mmseg.engine.hooks import SegVisualizationHook
from mmseg.structures import SegDataSample
from mmseg.visualization import SegLocalVisualizer

from labelenc_mm.segmentation import MapVisualizer

SIZE = (20, 30)
IMAGE = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)

needs_drawing_of_nothing = pytest.mark.skipif(
    digit_version(mmseg.__version__) < digit_version('1.3'),
    reason='mmseg 1.2 fails at samples with none of its own maps',
)


def of(**fields):
    sample = SegDataSample(metainfo=dict(img_path='a.png'))
    sample.set_data({name: PixelData(data=data) for name, data in fields.items()})
    return sample


def drawn(tmp_path, sample, visualizer=MapVisualizer, **options):
    path = tmp_path / 'picture.png'
    visualizer().add_datasample('name', IMAGE, sample, out_file=str(path), **options)
    return cv2.imread(str(path))[..., ::-1]


def test_normals_have_the_colours_of_their_files(tmp_path):
    true = torch.zeros(3, *SIZE)
    true[0, :, :5], true[1, :, 5:10], true[2, :, 10:] = 1, -1, 1
    true[:, 0] = 0
    picture = drawn(tmp_path, of(gt_normals=true, pred_normals=-true))
    assert picture.shape == (20, 90, 3)
    np.testing.assert_array_equal(picture[:, :30], IMAGE)
    assert picture[5, [30, 36, 42]].tolist() == [[255, 128, 128], [128, 1, 128], [128, 128, 255]]
    assert picture[5, [60, 66, 72]].tolist() == [[1, 128, 128], [128, 255, 128], [128, 128, 1]]
    assert not picture[0, 30:].any()
    assert drawn(tmp_path, of(gt_normals=true, pred_normals=-true), draw_gt=False).shape[1] == 60


def test_edges_are_gray_by_their_probability_beside_their_labels(tmp_path):
    labels = torch.zeros(1, *SIZE, dtype=torch.int64)
    labels[0, 3], labels[0, 4] = 1, 255
    strength = torch.linspace(0, 1, 30).expand(1, *SIZE)
    fields = dict(gt_edge_map=labels, seg_logits=strength, pred_sem_seg=(strength > 0.5).float())
    picture = drawn(tmp_path, of(**fields))
    assert picture.shape == (20, 90, 3) and (picture == picture[..., :1])[:, 30:].all()
    assert picture[2:5, 30, 0].tolist() == [0, 255, 128]
    np.testing.assert_allclose(picture[0, 60:, 0], np.linspace(0, 255, 30), atol=0.51)


def test_map_of_another_size_is_drawn_in_that_of_the_image(tmp_path):
    small = torch.zeros(3, 10, 15)
    small[2] = 1
    assert drawn(tmp_path, of(gt_normals=small, pred_normals=small)).shape == (20, 90, 3)


@pytest.mark.parametrize(
    'fields',
    [
        dict(gt_sem_seg=torch.ones(1, *SIZE).long(), pred_sem_seg=torch.zeros(1, *SIZE).long()),
        dict(pred_sem_seg=torch.zeros(1, *SIZE).long(), seg_logits=torch.zeros(3, *SIZE)),
        dict(gt_depth_map=torch.rand(1, *SIZE), pred_depth_map=torch.rand(1, *SIZE)),
        pytest.param({}, marks=needs_drawing_of_nothing),
    ],
    ids=['labels', 'scores', 'depth', 'nothing'],
)
def test_what_mmseg_draws_is_left_to_it(tmp_path, fields):
    ours, stock = (
        drawn(tmp_path, of(**fields), each) for each in (MapVisualizer, SegLocalVisualizer)
    )
    np.testing.assert_array_equal(ours, stock)


@pytest.mark.parametrize(
    ('kind', 'visualizer'),
    [
        ('normals', MapVisualizer),
        pytest.param('normals', SegLocalVisualizer, marks=needs_drawing_of_nothing),
        ('edges', MapVisualizer),
        ('edges', SegLocalVisualizer),
    ],
)
def test_stock_hook_draws_such_samples_with_either_visualizer(tmp_path, visualizer, kind):
    cv2.imwrite(str(tmp_path / 'a.png'), IMAGE)
    found = visualizer.get_instance(
        f'{tmp_path}', vis_backends=[dict(type='LocalVisBackend')], save_dir=str(tmp_path)
    )
    found.dataset_meta = dict(classes=('background', 'edge'), palette=[[0, 0, 0], [255] * 3])
    strength = torch.rand(1, *SIZE)
    fields = dict(seg_logits=strength, pred_sem_seg=(strength > 0.5).float())
    if kind == 'normals':
        fields = dict(gt_normals=torch.rand(3, *SIZE), pred_normals=torch.rand(3, *SIZE))
    sample = of(**fields)
    sample.set_metainfo(dict(img_path=str(tmp_path / 'a.png')))
    hook = SegVisualizationHook(draw=True, interval=1)
    hook._visualizer = found
    hook.after_test_iter(SimpleNamespace(iter=0), 0, {}, [sample])
    assert list(tmp_path.rglob('vis_image/test_a*.png'))
