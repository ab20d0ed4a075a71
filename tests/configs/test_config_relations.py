"""What the configs of LabelEnc say, beside each other and beside the stock configs; nothing is trained."""

import re
from inspect import signature
from pathlib import Path

import pytest
import yaml
from labelenc_configs import (
    NAMES,
    ONE_RUN,
    STEP1,
    STEP2,
    STOCK_CONFIGS,
    detector,
    parse,
    parsed,
    plain,
    step1_of,
)
from paper_configs import passes, passes_an_epoch

from labelenc_mm.command_line.companions import add_companions
from labelenc_mm.detection import OneRunLabelEncodingHead, stock_config


def schedule(config, lead=0):
    """The schedulers, the last one's epochs as passes over the images, all `lead` passes later."""
    *warm_up, decay = plain(config.param_scheduler)
    assert decay['by_epoch'] and decay['begin'] == 0
    each = passes_an_epoch(config)
    end, milestones = decay['end'] * each, [epoch * each for epoch in decay['milestones']]
    shifted = dict(end=end + lead, milestones=[epoch + lead for epoch in milestones])
    return [*warm_up, {**decay, **shifted}]


@pytest.mark.parametrize('name', STEP2)
def test_steps_fit_together(name):
    """Without a data set or a training: step 2 of a config can load what its step 1 leaves."""
    step1, step2 = parse(step1_of(name)), parse(name)
    assert (step1.model.labelenc.stage, step2.model.labelenc.stage) == ('autoencode', 'supervise')
    assert step1.model.type == step2.model.type
    for key in ('bbox_head', 'roi_head', 'rpn_head', 'data_preprocessor'):
        assert step1.model.get(key) == step2.model.get(key)
    assert {**step1.model.neck, 'in_channels': 0} == {**step2.model.neck, 'in_channels': 0}
    # Step 1 is step 2's schedule after a third as many passes, in which the distance does not count yet
    # (LabelEnc, sec. 4.1: 30k iterations and 90k).
    lead = passes(step1) - passes(step2)
    assert lead * 3 == passes(step2)
    assert schedule(step1) == schedule(step2, lead)


@pytest.mark.parametrize('name', ONE_RUN)
def test_one_run_is_the_stock_schedule_after_labels_alone(name):
    ours = parse(name)
    stem = re.sub('_labelenc-one-run[^_]*', '', Path(name).stem).replace('15e', '1x')
    stock = detector(stem)
    lead = passes(ours) - passes(stock)
    default = signature(OneRunLabelEncodingHead).parameters['image_begin'].default
    # Milestones lie at whole epochs, the begin of the images at its share of the training.
    assert lead == round(ours.model.labelenc.get('image_begin', default) * passes(ours))
    assert schedule(ours) == schedule(stock, lead)


@pytest.mark.parametrize('name', [n for n in NAMES if parsed(n).model.get('labelenc')])
def test_what_every_training_needs(name):
    config = parse(name)
    assert config.default_hooks.reseed.type == 'ReseedHook'
    assert config.default_hooks.checkpoint.type == 'CheckpointHook'
    assert 'labelenc_mm' in config.custom_imports.imports
    # The rest the model declares, so that no config repeats it.
    assert 'labelenc' not in config.default_hooks and 'model_wrapper_cfg' not in config
    assert config.val_cfg.type == 'ValLoop'
    config.launcher = 'pytorch'
    add_companions(config)
    assert config.default_hooks.labelenc.type == 'mmdet.LabelEncHook'
    assert config.model_wrapper_cfg.find_unused_parameters == config.model.labelenc.get(
        'joint', True
    )
    learns = name in STEP1 or name in ONE_RUN
    assert config.val_cfg.type == ('mmdet.LabelEncValLoop' if learns else 'ValLoop')


@pytest.mark.parametrize('name', [n for n in NAMES if parsed(n).model.get('labelenc')])
def test_nothing_but_labelenc_differs_from_the_stock_config(name):
    """Step 2 is the stock training; others have the same model and optimizer, and longer schedules."""
    stem = re.sub(r'_(labelenc-step[12]|labelenc-one-run|distill)[^_]*', '', Path(name).stem)
    stem = re.sub('1[56]e', '1x', stem)
    ours, stock = (
        plain(stock_config(config).to_dict()) for config in (parse(name), detector(stem))
    )
    keys = ours.keys() | stock.keys()
    if name in STEP1 or name in ONE_RUN:
        keys = {'model', 'optim_wrapper', 'auto_scale_lr', 'val_evaluator'}
    assert {key: ours.get(key) for key in keys} == {key: stock.get(key) for key in keys}


@pytest.mark.parametrize('name', [n for n in NAMES if '_distill-r' in n])
def test_teacher_starts_from_its_own_weights(name):
    """Those that MMDetection lists for the teacher's config, which the config's name promises."""
    labelenc = parsed(name).model.labelenc
    scope, _, path = labelenc.teacher.partition('::')
    metafile = STOCK_CONFIGS / Path(path).parent / 'metafile.yml'
    (listed,) = (
        model
        for model in yaml.safe_load(metafile.read_text())['Models']
        if model['Config'] == f'configs/{path}'
    )
    assert scope == 'mmdet' and labelenc.init_from == listed['Weights']
    (backbone,) = re.findall('_distill-([^_]+)', name)
    assert Path(path).stem == f'retinanet_{backbone}_fpn_1x_coco'
