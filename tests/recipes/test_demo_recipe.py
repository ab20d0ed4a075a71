"""The recipes of the demonstrations fit the data, the configs and the tools that they name."""

import ast
from pathlib import Path

import pytest

from labelenc_mm.recipes import LaunchSettings, command_line, make_plan, read_recipe

pytest.importorskip('mmdet')
pytest.importorskip('mmseg')
ROOT = Path(__file__).parents[2]


def plan_of(demo, work_dir):
    recipe = read_recipe(ROOT / 'configs' / demo / 'demo' / 'demo.yml')
    return make_plan(recipe, work_dir, ROOT / 'tools')


@pytest.fixture
def plan(tmp_path):
    return plan_of('labelenc', tmp_path)


@pytest.mark.parametrize(
    'demo', ['labelenc', 'label_structure', 'ddep', 'pixelnet', 'colorization']
)
def test_every_command_names_files_that_exist(demo, tmp_path):
    for run in plan_of(demo, tmp_path).runs.values():
        words = command_line(run, tmp_path, LaunchSettings(ROOT / 'tools'))
        scripts = [Path(word) for word in words if word.endswith('.py')]
        assert scripts
        for script in scripts:
            if script.is_relative_to(tmp_path):  # a config that a training leaves of its own
                assert script.parent.name in run.needs.values()
                assert (ROOT / 'configs' / demo / 'demo' / script.name).is_file()
            else:
                assert script.is_file()


def test_each_form_trains_the_detector_and_the_data_of_the_baseline(plan):
    wanted = {run.stage.name: run.wanted() for run in plan.runs.values()}
    baseline = wanted['baseline']
    assert baseline['model.type'] == 'RetinaNet'
    for step in ('one_run', 'step1', 'step2'):
        own = {
            key: value
            for key, value in wanted[step].items()
            if key.startswith(('model.', 'train_dataloader.', 'val_dataloader.', 'optim_wrapper.'))
            and not key.startswith(('model.labelenc.', 'model.type'))
        }
        assert own == {key: baseline[key] for key in own}
    assert wanted['step2']['model.labelenc.init_from'].startswith('<step1-seed=0>/')
    encoders = [
        {k: v for k, v in wanted[step].items() if k.startswith('model.labelenc.encoder.')}
        for step in ('one_run', 'step1', 'step2')
    ]
    assert encoders[0] == encoders[1] == encoders[2] != {}


def test_label_structure_is_all_that_differs_from_the_baseline(tmp_path):
    plan = plan_of('label_structure', tmp_path)
    wanted = {run.stage.name: run.wanted() for run in plan.runs.values()}
    own = ('needs', 'model.', 'custom_imports.', 'default_hooks.label_structure.')
    for stage in ('autoencoder', 'decoder'):
        assert {k: v for k, v in wanted[stage].items() if not k.startswith(own)} == {
            k: v for k, v in wanted['baseline'].items() if not k.startswith(own)
        }
    ours = ('model.label_structure.', 'model.type')
    model, stock = (
        {k: v for k, v in wanted[s].items() if k.startswith('model.') and not k.startswith(ours)}
        for s in ('decoder', 'baseline')
    )
    assert model == stock
    channels = [wanted['autoencoder']['model.channels']]
    assert channels == [wanted['decoder']['model.label_structure.channels']]
    classes = ast.literal_eval(wanted['baseline']['val_dataloader.dataset.metainfo.classes'])
    assert len(classes) == wanted['autoencoder']['model.num_classes']


def test_ddep_is_all_that_differs_from_the_supervised_encoder(tmp_path):
    runs = plan_of('ddep', tmp_path).runs
    for images in (20, 80, 400):
        rows = {
            row: runs[f'{row}-images={images}-seed=0'].wanted()
            for row in ('none', 'supervised', 'ddep')
        }
        # An encoder of random weights is trained like the rest.
        weights = ('init_cfg', 'frozen_stages', 'norm_eval')
        own_keys = {
            'none': (*(f'model.backbone.{key}' for key in weights), 'optim_wrapper.'),
            'ddep': ('custom_hooks', 'pretrained'),
        }
        for row, own in own_keys.items():
            plain, other = (
                {k: v for k, v in rows[name].items() if not k.startswith(own) and k != 'needs'}
                for name in ('supervised', row)
            )
            assert other == plain != rows[row]
        assert rows['ddep']['custom_hooks.0.checkpoint'].startswith('<denoising-seed=0>/')
    pretraining = runs['denoising-seed=0'].wanted()
    for part in ('backbone', 'decode_head', 'data_preprocessor'):
        own = {k: v for k, v in pretraining.items() if k.startswith(f'model.{part}.')}
        own.pop('model.decode_head.num_classes', None)  # which plays no part in pretraining
        assert own == {k: rows['ddep'][k] for k in own} != {}


def test_tasks_of_pixelnet_differ_in_targets_points_and_outputs_alone(tmp_path):
    runs = plan_of('pixelnet', tmp_path).runs
    wanted = {
        task: runs[f'{task}-seed=0'].wanted() for task in ('segmentation', 'edges', 'normals')
    }
    head = 'model.decode_head.'
    own = [
        f'{head}{key}'
        for key in ('num_classes', 'out_channels', 'threshold', 'targets', 'loss_decode')
    ]
    own += [
        f'{head}sampler.type',
        f'{head}sampler.positive_share',
        'model.type',
        'needs',
        'dataset.',
    ]
    own += ['model.data_preprocessor.type', 'train_pipeline', 'test_pipeline', 'val_evaluator']
    own += [f'{loader}_dataloader.dataset.' for loader in ('train', 'val', 'test')] + [
        'test_evaluator'
    ]
    rest = [
        {k: v for k, v in each.items() if not k.startswith(tuple(own))} for each in wanted.values()
    ]
    assert rest[0] == rest[1] == rest[2]
    assert len({each[f'{head}loss_decode.type'] for each in wanted.values()}) == 3


def test_colorization_is_all_that_differs_from_random_weights(tmp_path):
    runs = plan_of('colorization', tmp_path).runs
    for images in (20, 80, 400):
        own = ('custom_hooks', 'pretrained', 'needs')
        plain, ours = (
            {
                k: v
                for k, v in runs[f'{row}-images={images}-seed=0'].wanted().items()
                if not k.startswith(own)
            }
            for row in ('random', 'colorized')
        )
        assert plain == ours
    colorized = runs['colorized-images=20-seed=0'].wanted()
    assert colorized['custom_hooks.0.checkpoint'] == '<absorb-seed=0>/absorbed.pth'
    pretraining = runs['colorization-seed=0'].wanted()
    for key in ('taps', 'base_channels', 'fc_channels', 'in_channels'):
        name = f'model.backbone.{key}'
        assert pretraining[name] == colorized[name]


def test_its_classes_are_those_of_the_data(plan):
    from labelenc_mm.shape_scenes import CLASSES

    wanted = plan.runs['baseline-seed=0'].wanted()
    classes = ast.literal_eval(wanted['val_dataloader.dataset.metainfo.classes'])
    assert tuple(classes) == CLASSES
    assert wanted['model.bbox_head.num_classes'] == len(CLASSES)
