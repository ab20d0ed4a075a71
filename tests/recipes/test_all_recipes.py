"""Every recipe can be planned; its options reach a part of the configs and change no network."""

import copy
import inspect
import re
from functools import cache
from pathlib import Path

import pytest
from mmengine.registry import Registry
from mmengine.runner import Runner

from labelenc_mm.detection import LabelEncodingHead
from labelenc_mm.recipes import make_plan, read_recipe
from labelenc_mm.recipes.run import _parse_options, _read_config

TOOLBOXES = {
    'labelenc': pytest.importorskip('mmdet.registry'),
    'label_structure': pytest.importorskip('mmseg.registry'),
    'ddep': pytest.importorskip('mmseg.registry'),
    'pixelnet': pytest.importorskip('mmseg.registry'),
    'colorization': pytest.importorskip('mmseg.registry'),
}
ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / 'configs'
RECIPES = sorted(
    path.relative_to(CONFIGS).as_posix()
    for path in CONFIGS.rglob('*.yml')
    if path.name != 'metafile.yml'
)
DETECTORS = ('retinanet', 'fcos', 'atss')
WITHOUT_ATSS = {'labelenc/bccd/from_imagenet.yml'}


def choices(name):
    """What the variables of a recipe may be."""
    left_out = {'atss'} if name in WITHOUT_ATSS else set()
    of_detectors = [{'detector': each} for each in DETECTORS if each not in left_out]
    return of_detectors if '{detector}' in (CONFIGS / name).read_text(encoding='utf-8') else [{}]


CASES = [(name, variables) for name in RECIPES for variables in choices(name)]
# What is built of parts that need no `type`.
UNTYPED = {
    '': Runner,
    'randomness': Runner.set_randomness,
    'model.labelenc': 'LabelEncodingHead',
    'model.labelenc.encoder': 'LabelEncoder',
    'model.label_structure': 'FrozenLabelDecoderHead',
    'model.corruption': 'GaussianCorruption',
}
# Keys that are read before a part is built; the segmentor reads which features its label structure sees.
READ_BEFORE = {'type', '_scope_', 'features'}

# Figure 5 of label structure is of the decoder "32", which Table 1, too, makes of the configs of the decoder
# "128"; that of DDeP is of the noise; Table 1 of PixelNet is of hidden layers.
STUDIED = {
    'label_structure/figure5.yml': {'model.label_structure.channels'},
    'ddep/figure5.yml': {f'model.corruption.{option}' for option in ('gamma', 'sigma', 'form')},
    'pixelnet/table1.yml': {'model.decode_head.mlp_channels'},
}
# The parts of a model that labels pass, and those options of them that build nothing.
OF_LABELS = ('model.labelenc.', 'model.label_structure.')
TRAINING = (
    r'\.(init_\w+(\.\w+)?|joint|num_points|distance_\w+|freeze|random_init|loss_weight'
    r'|loss_decode\.\w+)$'
)


def runs_of(name, variables, options=None):
    """The runs of a recipe that have a config in the repository, one of each stage and config."""
    recipe = read_recipe(CONFIGS / name, seeds=[0], variables=variables, options=options)
    runs = make_plan(recipe, Path('/w'), ROOT / 'tools').runs.values()
    runs = [run for run in runs if run.stage.kind != 'command' and not run.config_is_made]
    return list({(run.stage.name, run.config_path()): run for run in runs}.values())


@cache
def arguments(part, paper):
    """Those of what builds a part: a callable, or a name in a registry of the paper's toolbox."""
    if isinstance(part, str):
        registries = [r for r in vars(TOOLBOXES[paper]).values() if isinstance(r, Registry)]
        part = next(found for found in (r.get(part) for r in registries) if found)
    known = set()
    bases = inspect.getmro(part) if inspect.isclass(part) else [part]
    stages = part.stages.values() if part is LabelEncodingHead else ()
    for each in [*stages, *bases]:
        if inspect.isclass(each) and '__init__' not in vars(each):
            continue
        parameters = inspect.signature(
            each.__init__ if inspect.isclass(each) else each
        ).parameters.values()
        known |= {p.name for p in parameters}
        if all(p.kind is not p.VAR_KEYWORD for p in parameters):
            break  # nothing is passed on to the bases
    return known


def is_known(key, before, after, paper):
    """Whether the config has all parts of a dotted key, or what it builds takes them as arguments.

    Args:
        key: Of an option.
        before: The config without the run's options.
        after: With them.
        paper: Folder of the config.
    """
    address = ''
    for name in key.split('.'):
        if isinstance(after, list | tuple):
            name, before, known = int(name), dict(enumerate(before)), True
        elif name == 'type':
            known = after.keys() - READ_BEFORE <= arguments(after['type'], paper)
        else:
            built = after.get('type') or UNTYPED.get(address)
            known = name in before or (built and name in arguments(built, paper))
            # A hook bears any name.
            known = known or (address == 'default_hooks' and 'type' in after[name])
        if not known:
            return False
        before, after = before.get(name) or {}, after[name]
        address = f'{address}.{name}'.lstrip('.')
    return True


def trained_config(run):
    """The config of a run with its options."""
    config = copy.deepcopy(_read_config(run.config_path()))  # read once for all of its runs
    config.merge_from_dict(_parse_options(run.option_strings()))
    return config


def lost_options(run, paper):
    """The options of a run that no part of its config knows."""
    config, changed = _read_config(run.config_path()), trained_config(run)
    return [key for key in run.stage.options if not is_known(key, config, changed, paper)]


@pytest.mark.parametrize(
    ('name', 'variables'), CASES, ids=['-'.join([n, *v.values()]) for n, v in CASES]
)
def test_every_option_reaches_a_part_of_the_config(name, variables):
    paper = name.split('/')[0]
    lost = {run.name: lost_options(run, paper) for run in runs_of(name, variables)}
    assert lost and {run: keys for run, keys in lost.items() if keys} == {}


def changed_networks(runs):
    """Options by which a recipe trains another network than that of the config, by run.

    A detector or segmentor is that of its config. What the labels pass may be of another width or kind
    where that is studied, beside a run of the same config with another one.
    """
    found = {}
    for run in runs:
        others = [r for r in runs if r.config_path() == run.config_path() and r is not run]
        keys = [key for key in run.stage.options if is_of_a_network(key)]
        found[run.name] = [
            key
            for key in keys
            if not key.startswith(OF_LABELS)
            or not any(r.stage.options.get(key) != run.stage.options[key] for r in others)
        ]
    return {name: keys for name, keys in found.items() if keys}


def is_of_a_network(key):
    """Whether an option is of what a model is built of, rather than of how it is trained or loaded."""
    return key.startswith('model.') and not re.search(TRAINING, key)


@pytest.mark.parametrize(
    ('name', 'variables'), CASES, ids=['-'.join([n, *v.values()]) for n, v in CASES]
)
def test_networks_are_those_of_the_configs(name, variables):
    changed = changed_networks(runs_of(name, variables))
    assert {key for keys in changed.values() for key in keys} == STUDIED.get(name, set())


WITH_QUARTERS = [case for case in CASES if 'quarters: ' in (CONFIGS / case[0]).read_text('utf-8')]


@pytest.mark.parametrize(
    ('name', 'variables'), WITH_QUARTERS, ids=['-'.join([n, *v.values()]) for n, v in WITH_QUARTERS]
)
def test_no_validation_stands_for_two_quarters(name, variables):
    """The table shows after each quarter of a training the last validation before its end."""
    for run in runs_of(name, variables):
        loop = trained_config(run).train_cfg
        epochs, interval = loop.max_epochs, loop.get('val_interval', 1)
        shown = [epochs * quarter // 4 // interval for quarter in (1, 2, 3, 4)]
        assert len(set(shown)) == 4, run.name


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('model.backbone.base_channels', 8),
        ('model.bbox_head.stacked_convs', 4),
        ('model.neck.in_channels', [16, 32, 64, 128]),
        ('model.labelenc.encoder.stem_channels', 32),
    ],
)
def test_another_network_than_that_of_the_config_is_found(key, value):
    runs = runs_of('labelenc/bccd/fractions.yml', {}, {key: value})
    assert changed_networks(runs).keys() == {run.name for run in runs}


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('model.labelenc.encodr.stem_channels', 8),
        ('model.labelenc.encoder.stem_chanels', 8),
        ('model.labelenc.joined', False),
        ('model.bbox_head.stacked_conv', 2),
        ('model.backbone.base_chanels', 16),
        ('optim_wrapper.optimizer.fuse', True),
        ('train_dataloader.dataset.indexes', 26),
        ('train_cfg.max_epoch', 3),
        ('default_hooks.chekpoint.interval', 1),
        ('randomnes.seed', 1),
        ('param_scheduler.1.type', 'LinearLR'),  # knows no milestones
    ],
)
def test_an_option_that_nothing_knows_is_found(key, value):
    runs = runs_of('labelenc/bccd/evidence.yml', {}, {key: value})
    (step1,) = [run for run in runs if run.stage.name == 'step1']
    assert lost_options(step1, 'labelenc') == [key]
