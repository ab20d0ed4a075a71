"""What tools put into a config whose model asks for it, and what they leave as it is."""

import copy

import pytest
from mmdet.registry import HOOKS
from mmengine.config import Config
from mmengine.model import MMDistributedDataParallel
from mmengine.runner import ValLoop

from labelenc_mm.command_line import companions
from labelenc_mm.command_line.companions import add_companions
from labelenc_mm.detection import LabelEncHook, stock_config
from labelenc_mm.engine.companions import HasCompanions

OURS = 'CPUCapableDistributedDataParallel'
DETECTION = "_base_ = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'\n"
SEGMENTATION = "_base_ = 'mmseg::pspnet/pspnet_r50-d8_4xb4-20k_voc12aug-512x512.py'\n"
STEP1 = "model = dict(type='LabelEncRetinaNet', labelenc=dict(stage='autoencode'))\n"
STEP2 = "model = dict(type='LabelEncRetinaNet', labelenc=dict(stage='supervise', init_from='x'))\n"
RECONSTRUCTION = STEP1.replace("'autoencode'", "'autoencode', joint=False")
DISTILLATION = (
    "model = dict(type='LabelEncRetinaNet', labelenc=dict(type='FeatureDistillationHead'))\n"
)
LEARN = "model = dict(_delete_=True, type='LabelAutoEncoder', num_classes=21)\n"
DECODER = "model = dict(type='LabelStructureEncoderDecoder', label_structure=dict(init_from='x'))\n"
AUXILIARY = """
model = dict(
    auxiliary_head=[_base_.model.auxiliary_head, dict(type='FrozenLabelDecoderHead', num_classes=21)]
)
"""


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    monkeypatch.setattr(companions, 'get_device', lambda: 'cpu')


def complete(text, **options):
    """A config as the Runner gets it."""
    config = Config.fromstring(text, '.py')
    config.merge_from_dict(options)
    add_companions(config)
    return config


def short(config):
    """Built-in types, with types of ours as configs mostly write them, without mmengine's notes."""
    if isinstance(config, dict):
        return {key: short(value) for key, value in config.items() if key != '_scope_'}
    if isinstance(config, list | tuple):
        return [short(value) for value in config]
    return config.rpartition('.')[2] if str(config).startswith(('mmdet.L', 'mmseg.L')) else config


@pytest.mark.parametrize(
    ('text', 'hooks', 'loop'),
    [
        (DETECTION + STEP1, "labelenc=dict(type='LabelEncHook')", 'LabelEncValLoop'),
        (DETECTION + RECONSTRUCTION, "labelenc=dict(type='LabelEncHook')", 'LabelEncValLoop'),
        (DETECTION + STEP2, "labelenc=dict(type='LabelEncHook')", 'ValLoop'),
        (DETECTION + DISTILLATION, "labelenc=dict(type='LabelEncHook')", 'ValLoop'),
        (SEGMENTATION + LEARN, "label_structure=dict(type='LabelStructureHook')", 'ValLoop'),
        (SEGMENTATION + DECODER, "label_structure=dict(type='LabelStructureHook')", 'ValLoop'),
        (SEGMENTATION + AUXILIARY, "label_structure=dict(type='LabelStructureHook')", 'ValLoop'),
    ],
)
def test_a_config_is_completed_to_one_that_names_everything(text, hooks, loop):
    """The same hooks in the same order, on which the order of equal priorities depends."""
    written = f'{text}default_hooks = dict({hooks})\nval_cfg = dict(type={loop!r})\n'
    expected = Config.fromstring(written, '.py')
    assert complete(written).to_dict() == expected.to_dict()
    found = complete(text)
    assert short(found.to_dict()) == short(expected.to_dict())
    assert list(found.default_hooks) == list(expected.default_hooks)


@pytest.mark.parametrize('text', [DETECTION, SEGMENTATION])
def test_a_stock_config_stays_as_it_is(text):
    assert complete(text).to_dict() == Config.fromstring(text, '.py').to_dict()


@pytest.mark.parametrize('step', [STEP1, STEP2])
def test_an_exported_config_shows_nothing_of_it(step):
    exported = stock_config(complete(DETECTION + step, launcher='pytorch'))
    stock = Config.fromstring(DETECTION, '.py')
    stock.launcher = 'pytorch'
    assert short(exported.to_dict()) == short(stock.to_dict())


class OwnHook(LabelEncHook):
    """Of somebody who derives from ours."""


@pytest.mark.parametrize(
    'kind',
    [
        'LabelEncHook',
        'mmdet.LabelEncHook',
        'labelenc_mm.detection.LabelEncHook',
        LabelEncHook,
        OwnHook,
    ],
)
def test_a_hook_of_the_config_stands_and_gets_no_second(kind):
    own = dict(type=kind, export=False)
    named = complete(DETECTION + STEP2, **{'default_hooks.labelenc': own})
    assert named.default_hooks.labelenc == own
    elsewhere = complete(DETECTION + STEP2, custom_hooks=[own])
    assert elsewhere.custom_hooks == [own] and 'labelenc' not in elsewhere.default_hooks
    built = complete(DETECTION + STEP2, custom_hooks=[LabelEncHook()])
    assert 'labelenc' not in built.default_hooks


def test_options_of_the_hook_need_no_type():
    found = complete(DETECTION + STEP2, **{'default_hooks.labelenc.export': False})
    assert not HOOKS.build(found.default_hooks.labelenc).export


@pytest.mark.parametrize('kind', ['mmengine.ValLoop', 'LabelEncValLoop', 'OwnLoop'])
def test_a_validation_loop_of_choice_stands(kind):
    assert complete(DETECTION + STEP1, **{'val_cfg.type': kind}).val_cfg.type == kind


@pytest.mark.parametrize(
    'loop', [{}, dict(type=ValLoop), dict(type='mmengine.runner.loops.ValLoop')]
)
def test_the_plain_loop_gives_way_however_it_is_spelt(loop):
    text = f'{DETECTION}{STEP1}val_cfg = dict(_delete_=True, fp16=True)\n'
    found = complete(text, **{f'val_cfg.{key}': value for key, value in loop.items()})
    assert found.val_cfg == dict(type='mmdet.LabelEncValLoop', fp16=True)


def test_a_training_without_validation_gets_none():
    text = f'{DETECTION}{STEP1}val_cfg = val_dataloader = val_evaluator = None\n'
    assert complete(text).val_cfg is None


def test_a_model_inside_another_is_found():
    """Around a model for test-time augmentation, or for semi-supervised training, which the hook refuses."""
    for key in ('module', 'detector'):
        found = Config.fromstring(DETECTION + STEP1, '.py')
        found.model = {'type': 'SemiBaseDetector', key: found.model}
        add_companions(found)
        assert found.default_hooks.labelenc.type == 'mmdet.LabelEncHook'


def test_a_config_of_another_scope_finds_the_parts_all_the_same():
    model = dict(type='mmdet.LabelEncRetinaNet', labelenc=dict(stage='supervise'))
    found = Config(dict(model=model))
    add_companions(found)
    assert found.default_hooks == dict(labelenc=dict(type='mmdet.LabelEncHook'))


PHASE = "custom_hooks = [dict(type='FrozenPhaseHook', end=10)]\n"


@pytest.mark.parametrize('device', ['cpu', 'cuda'])
@pytest.mark.parametrize(
    ('text', 'rests'),
    [
        (DETECTION + STEP1, True),
        (DETECTION + STEP2, True),
        (DETECTION + DISTILLATION, True),
        (SEGMENTATION + PHASE, True),
        (DETECTION + RECONSTRUCTION, False),
        (SEGMENTATION + DECODER, False),
        (DETECTION, False),
    ],
)
def test_several_processes_look_for_parameters_that_rest(text, rests, device, monkeypatch):
    monkeypatch.setattr(companions, 'get_device', lambda: device)
    wrapper = complete(text, launcher='pytorch').get('model_wrapper_cfg')
    if rests or device == 'cpu':
        assert wrapper == dict(type=OURS, find_unused_parameters=rests)
    else:
        assert wrapper is None
    assert 'model_wrapper_cfg' not in complete(text, launcher='none')


def wrapper_of(text=DETECTION, **options):
    return complete(text, launcher='pytorch', **copy.deepcopy(options)).model_wrapper_cfg


def test_distributed_on_cpu_gets_the_wrapper_that_copes():
    # an entry that mmengine reads only where there is no model_wrapper_cfg
    assert wrapper_of(find_unused_parameters=True).find_unused_parameters
    stock = dict(type='MMDistributedDataParallel', static_graph=True)
    assert wrapper_of(model_wrapper_cfg=stock) == dict(type=OURS, static_graph=True)
    for spelling in (MMDistributedDataParallel, 'mmengine.model.MMDistributedDataParallel'):
        assert wrapper_of(model_wrapper_cfg=dict(type=spelling)) == dict(type=OURS)


def test_what_the_config_says_of_the_wrapper_stands(monkeypatch):
    for device in ('cpu', 'cuda'):
        monkeypatch.setattr(companions, 'get_device', lambda device=device: device)
        special = dict(type='MMSeparateDistributedDataParallel')
        assert wrapper_of(model_wrapper_cfg=special) == special
        sharded = dict(type='MMFullyShardedDataParallel')
        assert wrapper_of(DETECTION + STEP2, model_wrapper_cfg=sharded) == sharded
        for options in (
            dict(find_unused_parameters=False),
            dict(model_wrapper_cfg=dict(find_unused_parameters=False)),
        ):
            assert not wrapper_of(DETECTION + STEP2, **options).find_unused_parameters
    stock = dict(type='MMDistributedDataParallel')
    found = wrapper_of(DETECTION + STEP2, model_wrapper_cfg=stock)
    assert found == dict(**stock, find_unused_parameters=True)


def test_a_third_method_needs_its_declaration_alone(monkeypatch):
    from mmdet.registry import MODELS

    class Third(HasCompanions):
        companions = {'default_hooks': {'third': {'type': 'mmengine.EMAHook'}}}

    monkeypatch.setitem(MODELS.module_dict, 'Third', Third)
    found = Config(dict(default_scope='mmdet', model=dict(type='Third')))
    add_companions(found)
    assert found.default_hooks == dict(third=dict(type='mmengine.EMAHook'))
