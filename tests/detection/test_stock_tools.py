"""Our detection configs, given by path, under mmdet's own tools/train.py, which never imports us.

It adds nothing to a config: a warning names the lines, and with them both steps train and resume.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import mmdet
import pytest
from training_runs import ENCODING, EXPORTED, ROOT

from labelenc_mm.shape_scenes import write_shape_scenes

TRAIN = Path(mmdet.__file__).parent / '.mim' / 'tools' / 'train.py'
CONFIGS = ROOT / 'configs' / 'labelenc' / 'demo'


@pytest.mark.slow
def test_both_steps_and_a_resume(tmp_path):
    data = write_shape_scenes(tmp_path / 'shapes', 8, 4, (64, 64), progress=False)
    options = ['train_cfg.max_epochs=2', 'train_cfg.val_interval=2']
    options += [f'{part}_dataloader.dataset.data_root={data}/' for part in ('train', 'val', 'test')]
    options += [
        f'{part}_evaluator.ann_file={data}/annotations/val.json' for part in ('val', 'test')
    ]

    def train(config, step, *arguments, error=None):
        command = [sys.executable, TRAIN, config, '--work-dir', tmp_path / step, *arguments]
        done = subprocess.run(
            [str(part) for part in command],
            cwd=tmp_path,
            env={**os.environ, 'CUDA_VISIBLE_DEVICES': ''},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )
        assert (done.returncode == 0) == (error is None), done.stdout[-3000:]
        assert error is None or re.search(error, done.stdout, re.S), done.stdout[-3000:]
        return done.stdout

    def completed(step):
        """Train a shipped config, and make a child of it with the lines that the warning names."""
        config = CONFIGS / f'retinanet_efficientnet-lite0_shapes_labelenc-{step}.py'
        output = train(config, f'{step}-incomplete', '--cfg-options', *options)
        (lines,) = re.findall(r'LabelEncRetinaNet trains without .*\n((?:\w+ = .*\n)+)', output)
        assert ('LabelEncValLoop' in lines) == (step == 'step1')
        assert not (tmp_path / f'{step}-incomplete' / EXPORTED).exists()
        child = tmp_path / f'{step}.py'
        child.write_text(f'_base_ = {str(config)!r}\n{lines}')
        return child

    output = train(completed('step1'), 'step1', '--cfg-options', *options)
    assert 'trains without' not in output and 'Reconstruction: head(' in output
    encoding = tmp_path / 'step1' / ENCODING
    options.append(f'model.labelenc.init_from={encoding}')
    step2 = completed('step2')
    assert 'trains without' not in train(step2, 'step2', '--cfg-options', *options)
    exported = tmp_path / 'step2' / EXPORTED
    exported.unlink()
    # Under mmdet's tool the file of step 1 must still be there for a resume, see docs/get_started.md.
    options[0] = 'train_cfg.max_epochs=3'
    other = [*options, 'model.labelenc.encoder.stem_channels=4', 'model.labelenc.init_from=None']
    message = r'CheckpointError: .*is of another training.*encoder\.stem\.weight: shape \(4,'
    train(step2, 'step2', '--resume', '--cfg-options', *other, error=message)
    train(step2, 'step2', '--resume', '--cfg-options', *options)
    assert (tmp_path / 'step2' / 'epoch_3.pth').is_file()
    assert exported.is_file()
