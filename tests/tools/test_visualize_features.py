"""Pictures of features: which files are left, and what bad input is told."""

import runpy

import pytest
import torch
from feature_files import FeatureFiles
from hostile_pickles import RunsCode
from PIL import Image
from training_runs import ROOT

tool = runpy.run_path(str(ROOT / 'tools' / 'visualize_features.py'))


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    return FeatureFiles(tmp_path_factory.mktemp('files'))


def test_one_picture_per_image_on_request_and_a_step_2_without_its_file(files, tmp_path):
    """Weights of step 2 hold the encoder: labelenc.init_from may be gone."""
    out = tmp_path / 'out'
    more = ['--per-image', '--num', '3', '--output-dir', str(out)]
    tool['main']([str(files.step2), str(files.checkpoint), *more])
    names = sorted(path.name for path in out.iterdir())
    assert names == [f'features_{i:06d}_{i:06d}.png' for i in (0, 4, 7)]
    with Image.open(out / names[0]) as picture:
        assert picture.width > 3 * picture.height  # three panels of 3:2 beside each other


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
