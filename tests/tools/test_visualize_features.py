"""Pictures of features: what the panels show, and what bad input is told."""

import runpy

import numpy as np
import pytest
import torch
from hostile_pickles import RunsCode
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope
from PIL import Image
from training_configs import STEP1, STEP2, write_config
from training_runs import ROOT, shared_data

from labelenc_mm.labels import draw_label_maps
from labelenc_mm.shape_scenes import ShapeScenes

tool = runpy.run_path(str(ROOT / 'tools' / 'visualize_features.py'))
SIZE = (80, 120)  # images of 64 x 96 as the pipeline enlarges them
PADDED = (96, 128)


class Files:
    """Configs and checkpoints of a tiny detector, label-encoded and plain, with random weights."""

    def __init__(self, folder):
        self.ours = write_config(folder / 'ours.py', shared_data(), STEP1)
        self.step2 = write_config(folder / 'step2.py', shared_data(), STEP2, step1='gone')
        self.plain = write_config(folder / 'plain.py', shared_data())
        self.checkpoint = folder / 'epoch_1.pth'
        self.plain_checkpoint = folder / 'plain.pth'
        init_default_scope('mmdet')
        torch.manual_seed(1)
        self.detector = MODELS.build(Config.fromfile(self.ours).model)
        self.detector.init_weights()
        self.baseline = MODELS.build(Config.fromfile(self.plain).model)
        for detector, path in (
            (self.detector, self.checkpoint),
            (self.baseline, self.plain_checkpoint),
        ):
            torch.save({'state_dict': detector.eval().state_dict(), 'meta': {}}, path)

    def arguments(self, *more):
        return [str(self.ours), str(self.checkpoint), *map(str, more)]


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp('files'))


@pytest.fixture
def drawn(monkeypatch):
    """Rows and figures of every picture that the tool draws."""
    calls = []
    original = tool['draw_rows']

    def record(rows, *args):
        figure = original(rows, *args)
        calls.append((rows, figure))
        return figure

    monkeypatch.setitem(tool['visualize'].__globals__, 'draw_rows', record)
    return calls


def norms(level, stride):
    """Norms over channels, every cell as large as its stride, cut to the image."""
    values = np.sqrt((level[0].double().numpy() ** 2).sum(0))
    return np.kron(values, np.ones((stride, stride)))[: SIZE[0], : SIZE[1]]


@torch.no_grad()
@pytest.mark.parametrize('level', [1, 2])
def test_panels_are_image_baseline_ours_and_encoder(level, files, tmp_path, drawn):
    baseline = ['--baseline', files.plain, files.plain_checkpoint]
    more = ['--num', 2, '--level', level, '--output-dir', tmp_path / 'out']
    tool['main'](files.arguments(*baseline, *more))
    assert [path.name for path in (tmp_path / 'out').iterdir()] == ['features.png']
    ((rows, _),) = drawn
    assert [row.name for row in rows] == ['000000', '000007']  # spread over the 8 images
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
        stages = head.encoder([draw_label_maps(boxes, labels, PADDED)])
        expected = {
            'baseline': files.baseline.extract_feat(inputs),
            'LabelEnc': files.detector.extract_feat(inputs),
            'label encoder': head.pyramid(stages),
        }
        for name, features in expected.items():
            np.testing.assert_allclose(
                row.maps[name], norms(features[level - 1], stride), rtol=1e-3, err_msg=name
            )


def test_panels_of_a_row_share_their_scale_unless_they_shall_not(files, tmp_path, drawn):
    out = ['--num', 2, '--output-dir', tmp_path]
    tool['main'](files.arguments(*out))
    tool['main'](files.arguments(*out, '--scale', 'panel'))
    limits = []
    for rows, figure in drawn:
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


def test_one_picture_per_image_on_request_and_a_step_2_without_its_file(files, tmp_path):
    """Weights of step 2 hold the encoder: labelenc.init_from may be gone."""
    out = tmp_path / 'out'
    more = ['--per-image', '--num', '3', '--output-dir', str(out)]
    tool['main']([str(files.step2), str(files.checkpoint), *more])
    names = sorted(path.name for path in out.iterdir())
    assert names == [f'features_{i:06d}_{i:06d}.png' for i in (0, 4, 7)]
    with Image.open(out / names[0]) as picture:
        assert picture.width > 3 * picture.height  # three panels of 3:2 beside each other


def test_boxes_are_scaled_whether_they_are_loaded_before_or_after_the_resize(
    files, tmp_path, drawn
):
    swapped = Config.fromfile(files.ours).val_dataloader.dataset.pipeline
    swapped[1], swapped[2] = swapped[2], swapped[1]
    changed = tmp_path / 'swapped.py'
    changed.write_text(
        f"_base_ = '{files.ours}'\nval_dataloader = dict(dataset=dict(pipeline={swapped!r}))\n"
    )
    for config in (files.ours, changed):
        tool['main']([str(config), str(files.checkpoint), '--output-dir', str(tmp_path / 'out')])
    for late, early in zip(drawn[0][0], drawn[1][0], strict=True):
        np.testing.assert_allclose(
            late.maps['label encoder'], early.maps['label encoder'], rtol=1e-5
        )


def spoiled(files, tmp_path, content):
    path = tmp_path / 'spoiled.pth'
    torch.save(content, path)
    return [str(files.ours), str(path)]


def recorded(path):
    record = path.with_name('last_checkpoint')
    record.write_text(str(path))
    return record


FAULTS = {
    'no config': (lambda f, t: ['gone.py', str(f.checkpoint)], "Config 'gone.py' does not exist"),
    'no checkpoint': (lambda f, t: [str(f.ours), 'gone.pth'], "'gone.pth' does not exist"),
    'last checkpoint that is gone': (
        lambda f, t: [str(f.ours), str(recorded(t / 'gone.pth'))],
        "gone.pth' does not exist",
    ),
    'stock config': (
        lambda f, t: [str(f.plain), str(f.plain_checkpoint)],
        'no config of a label-encoded detector',
    ),
    'stock weights': (
        lambda f, t: [str(f.ours), str(f.plain_checkpoint)],
        'an exported detector has no labelenc',
    ),
    'hostile weights': (
        lambda f, t: spoiled(f, t, {'state_dict': {}, 'x': RunsCode('touch marker')}),
        'spoiled.pth was refused',
    ),
    'no images': (lambda f, t: f.arguments('--num', 0), 'at least 1'),
    'level 0': (lambda f, t: f.arguments('--level', 0), 'levels 1 to 5'),
    'level 6': (lambda f, t: f.arguments('--level', 6), 'levels 1 to 5'),
    'no boxes': (
        lambda f, t: f.arguments(
            '--cfg-options', 'val_dataloader.dataset.pipeline.2.with_bbox=False'
        ),
        r'000000\.png: the validation pipeline loads no bboxes',
    ),
}


@pytest.mark.parametrize('name', FAULTS)
def test_what_the_user_can_mend_is_said(name, files, tmp_path):
    make, message = FAULTS[name]
    with pytest.raises(SystemExit, match=message):
        tool['main']([*make(files, tmp_path), '--output-dir', str(tmp_path / 'out')])
    assert not (tmp_path / 'out').exists()


def test_validation_data_of_several_parts(files, tmp_path, drawn):
    config = tmp_path / 'parts.py'
    config.write_text(
        f"_base_ = '{files.ours}'\n"
        'part = _base_.val_dataloader.dataset\n'
        "other = dict(part, metainfo=dict(part['metainfo'], palette=[(1, 2, 3)] * 8))\n"
        "parts = dict(_delete_=True, type='ConcatDataset', datasets=[part, other])\n"
        'val_dataloader = dict(dataset=parts)\n'
    )
    tool['main']([str(config), str(files.checkpoint), '--num', '2', '--output-dir', str(tmp_path)])
    assert len(drawn[0][0]) == 2
