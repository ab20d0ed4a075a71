"""The configs of LabelEnc, for the tests that train them and those that compare them."""

import copy
from functools import cache
from pathlib import Path

import mmdet
from mmengine.config import Config
from training_runs import ENCODING, ROOT

import labelenc_mm

CONFIGS = ROOT / 'configs' / 'labelenc'
STOCK_CONFIGS = Path(mmdet.__file__).parent / '.mim' / 'configs'
NAMES = sorted(
    path.relative_to(CONFIGS).as_posix()
    for path in CONFIGS.rglob('*.py')
    if '_base_' not in path.parts
)
STEP1 = [name for name in NAMES if 'labelenc-step1' in name]
ONE_RUN = [name for name in NAMES if 'labelenc-one-run' in name]
STEP2 = [name for name in NAMES if 'labelenc-step2' in name]


@cache
def parsed(name):
    return Config.fromfile(labelenc_mm.config(f'labelenc/{name}'))


def parse(name):
    return copy.deepcopy(parsed(name))


def step1_of(name):
    """The step-1 config whose file a step-2 config asks for."""
    init_from = Path(parsed(name).model.labelenc.init_from)
    assert (init_from.parts[0], init_from.name) == ('work_dirs', ENCODING)
    if name.startswith('demo/'):  # a recipe, which names its folders itself
        assert init_from.parts[1:3] == ('demo', 'step1-seed=0')
        return name.replace('step2', 'step1')
    (found,) = (step1 for step1 in STEP1 if Path(step1).stem == init_from.parts[1])
    return found


@cache
def detectors():
    """Paths of this folder's configs and MMDetection's; the latter write fcos_..._gn-head-1x_coco."""
    paths = [*STOCK_CONFIGS.rglob('*.py'), *(CONFIGS / name for name in NAMES)]
    return {path.stem.replace('-', '_'): path for path in paths}


def detector(stem):
    """The config of a name, of this folder or of MMDetection, or None."""
    path = detectors().get(stem.replace('-', '_'))
    return path and Config.fromfile(path)


def plain(node):
    """Without mmengine's notes on where a part of a config comes from."""
    if isinstance(node, dict):
        return {key: plain(value) for key, value in node.items() if key != '_scope_'}
    return [plain(value) for value in node] if isinstance(node, (list, tuple)) else node
