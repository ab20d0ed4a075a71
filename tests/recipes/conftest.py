"""Stand-ins for tools/train.py and tools/test.py that leave mmengine's files in no time."""

import textwrap
from pathlib import Path

import pytest

FAKE_TRAIN = """
    import argparse, json, os, sys, time
    from pathlib import Path
    from mmengine.config import Config, DictAction

    parser = argparse.ArgumentParser()
    parser.add_argument('config')
    parser.add_argument('--work-dir', type=Path)
    parser.add_argument('--resume', action='store_true')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={})
    args = parser.parse_args()
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options)
    work = args.work_dir
    starts = len(list(work.glob('start_*')))
    first = 1
    if args.resume:
        first = int((work / 'last_checkpoint').read_text().rsplit('_', 1)[1][:-4]) + 1
    scalars = work / f'start_{starts}' / 'vis_data' / 'scalars.json'
    scalars.parent.mkdir(parents=True)
    if 'init_from' in cfg and cfg.init_from:
        print('starts from', Path(cfg.init_from).read_text())
    if cfg.get('broken'):
        sys.exit('this stage is broken')
    for epoch in range(first, cfg.train_cfg.max_epochs + 1):
        loss = 1 / epoch
        print(f'Epoch(train)  [{epoch}][10/10]  lr: 1.0e-02  eta: 0:00:01  time: 0.1  loss: {loss}')
        value = epoch * cfg.weight + cfg.randomness.seed
        with scalars.open('a') as file:
            file.write(json.dumps({'lr': 0.01, 'loss': loss, 'step': epoch * 10}) + '\\n')
            file.write(json.dumps({'coco/bbox_mAP': value, 'step': epoch}) + '\\n')
        checkpoint = work / f'epoch_{epoch}.pth'
        checkpoint.write_text(f'epoch {epoch}')
        (work / 'last_checkpoint').write_text(str(checkpoint))
        if cfg.get('die_after') == epoch and not args.resume:
            os.kill(os.getpid(), 9)
        time.sleep(cfg.get('pause', 0))
    (work / 'artefact').write_text(f'{cfg.name} seed {cfg.randomness.seed}')
"""

FAKE_TEST = """
    import argparse, json
    from pathlib import Path

    parser = argparse.ArgumentParser()
    parser.add_argument('config')
    parser.add_argument('checkpoint', type=Path)
    parser.add_argument('--work-dir', type=Path)
    parser.add_argument('--cfg-options', nargs='+')
    args = parser.parse_args()
    folder = args.work_dir / '2030'
    folder.mkdir(parents=True, exist_ok=True)
    epoch = float(args.checkpoint.read_text().split()[1])
    (folder / '2030.json').write_text(json.dumps({'coco/bbox_mAP': epoch / 10, 'time': 0.1}))
"""

CONFIG = """
    name = '{name}'
    weight = 0.1
    init_from = None
    train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=3)
    randomness = dict(seed=None)
"""


@pytest.fixture
def fake_tools(tmp_path: Path) -> Path:
    """A folder with the stand-ins."""
    folder = tmp_path / 'tools'
    folder.mkdir()
    (folder / 'train.py').write_text(textwrap.dedent(FAKE_TRAIN))
    (folder / 'test.py').write_text(textwrap.dedent(FAKE_TEST))
    return folder


@pytest.fixture
def write_recipe(tmp_path: Path):
    """Writes a recipe, beside configs ``baseline.py``, ``step1.py`` and ``step2.py``."""

    def write(text: str) -> Path:
        folder = tmp_path / 'recipe'
        folder.mkdir(exist_ok=True)
        for name in ('baseline', 'step1', 'step2'):
            (folder / f'{name}.py').write_text(textwrap.dedent(CONFIG.format(name=name)))
        path = folder / 'recipe.yml'
        path.write_text(textwrap.dedent(text))
        return path

    return write
