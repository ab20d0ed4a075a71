"""Panels of features: the norms of the levels, and their colour scales."""

import numpy as np
import pytest
import torch
from feature_files import FeatureFiles
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image

from labelenc_mm.analysis.feature_pictures import draw_rows, load_detector, make_rows
from labelenc_mm.labels import draw_object_maps
from labelenc_mm.shape_scenes import ShapeScenes

SIZE = (80, 120)  # images of 64 x 96 as the pipeline enlarges them
PADDED = (96, 128)


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    return FeatureFiles(tmp_path_factory.mktemp('files'))


@pytest.fixture(autouse=True)
def _scope():
    init_default_scope('mmdet')


def rows_of(config, files, baseline=None, **options):
    """Rows of the validation data of a config for the label-encoded detector."""
    config = Config.fromfile(config)
    detector = load_detector(config, str(files.checkpoint), 'cpu')
    return make_rows(config, detector, baseline, **options)


def norms(level, stride):
    """Norms over channels, every cell as large as its stride, cut to the image."""
    values = np.sqrt((level[0].double().numpy() ** 2).sum(0))
    return np.kron(values, np.ones((stride, stride)))[: SIZE[0], : SIZE[1]]


@torch.no_grad()
@pytest.mark.parametrize('level', [1, 2])
def test_panels_are_image_baseline_ours_and_encoder(level, files):
    baseline = load_detector(Config.fromfile(files.plain), str(files.plain_checkpoint), 'cpu')
    found = rows_of(files.ours, files, baseline, count=2, level=level)
    assert list(found) == [0, 7]  # spread over the 8 images
    rows = list(found.values())
    assert [row.name for row in rows] == ['000000', '000007']
    stride = 4 * 2**level
    for row in rows:
        assert row.image.shape == (*SIZE, 3) and row.image.dtype == np.uint8
        assert list(row.maps) == ['baseline', 'LabelEnc', 'label encoder']
        # The stock steps of the network input, written out.
        scene = ShapeScenes((64, 96), 'val')[int(row.name)]
        resized = torch.from_numpy(row.image[..., ::-1].copy()).permute(2, 0, 1)
        small = np.asarray(Image.fromarray(row.image).resize((96, 64), Image.BILINEAR))
        assert np.abs(small[..., ::-1].astype(int) - scene.image).mean() < 6
        mean, std = torch.tensor([[123.675, 116.28, 103.53], [58.395, 57.12, 57.375]])
        inputs = torch.zeros(1, 3, *PADDED)
        inputs[0, :, : SIZE[0], : SIZE[1]] = (
            resized.flip(0) - mean.reshape(3, 1, 1)
        ) / std.reshape(3, 1, 1)
        boxes = torch.as_tensor(scene.boxes).float() * 1.25
        labels = torch.as_tensor(scene.labels)
        head = files.detector.labelenc
        stages = head.encoder([draw_object_maps(boxes, labels, PADDED)])
        expected = {
            'baseline': files.baseline.extract_feat(inputs),
            'LabelEnc': files.detector.extract_feat(inputs),
            'label encoder': head.pyramid(stages),
        }
        for name, features in expected.items():
            np.testing.assert_allclose(
                row.maps[name], norms(features[level - 1], stride), rtol=1e-3, err_msg=name
            )


def test_panels_of_a_row_share_their_scale_unless_they_shall_not(files):
    rows = list(rows_of(files.ours, files, count=2).values())
    limits = []
    for scale in ('row', 'panel'):
        figure = draw_rows(rows, scale)
        # Images come first, colour bars after all of them.
        panels = [axes for axes in figure.axes if axes.get_title() or axes.images][: 3 * len(rows)]
        assert [panel.get_title() for panel in panels[:3]] == ['image', 'LabelEnc', 'label encoder']
        limits.append(
            [
                [panel.images[0].get_clim() for panel in panels[i + 1 : i + 3]]
                for i in range(0, len(panels), 3)
            ]
        )
        for row, pair in zip(rows, limits[-1], strict=True):
            values = np.concatenate([shown.ravel() for shown in row.maps.values()])
            assert min(pair)[0] == values.min() and max(high for _, high in pair) == values.max()
    shared, own = limits
    assert all(pair[0] == pair[1] for pair in shared)
    assert all(pair[0] != pair[1] for pair in own)
    assert shared[0] != shared[1]


def test_boxes_are_scaled_whether_they_are_loaded_before_or_after_the_resize(files, tmp_path):
    swapped = Config.fromfile(files.ours).val_dataloader.dataset.pipeline
    swapped[1], swapped[2] = swapped[2], swapped[1]
    changed = tmp_path / 'swapped.py'
    changed.write_text(
        f"_base_ = '{files.ours}'\nval_dataloader = dict(dataset=dict(pipeline={swapped!r}))\n"
    )
    both = [rows_of(config, files) for config in (files.ours, changed)]
    for late, early in zip(*(rows.values() for rows in both), strict=True):
        np.testing.assert_allclose(
            late.maps['label encoder'], early.maps['label encoder'], rtol=1e-5
        )


def test_validation_data_of_several_parts(files, tmp_path):
    config = tmp_path / 'parts.py'
    config.write_text(
        f"_base_ = '{files.ours}'\n"
        'part = _base_.val_dataloader.dataset\n'
        "other = dict(part, metainfo=dict(part['metainfo'], palette=[(1, 2, 3)] * 8))\n"
        "parts = dict(_delete_=True, type='ConcatDataset', datasets=[part, other])\n"
        'val_dataloader = dict(dataset=parts)\n'
    )
    assert len(rows_of(config, files, count=2)) == 2
