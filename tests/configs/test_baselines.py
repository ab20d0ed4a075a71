"""The baselines that LabelEnc's configs are compared with, where MMDetection ships none."""

import re
from pathlib import Path

import pytest
from labelenc_configs import NAMES, detector, parse, parsed, plain
from mmdet.registry import MODELS
from mmdet.testing import demo_mm_inputs
from mmengine.registry import init_default_scope
from paper_configs import distinct_models, without_gradient

# Label-encoded trainings look for unused parameters anyway.
PLAIN = {name: parsed(name) for name in NAMES if not parsed(name).model.get('labelenc')}


@pytest.mark.parametrize('name', distinct_models(PLAIN))
def test_several_processes_look_for_unused_parameters_where_there_are_some(name):
    config = parse(name)
    init_default_scope('mmdet')
    config.model.backbone.init_cfg = None
    model = MODELS.build(config.model).train()
    head = config.model.get('bbox_head') or config.model.roi_head.bbox_head
    images = demo_mm_inputs(
        2, [[3, 64, 96]] * 2, num_items=[2, 1], num_classes=head.num_classes, with_mask=False
    )
    losses = model(**model.data_preprocessor(images, True), mode='loss')
    unused = without_gradient(model, losses)
    assert config.get('find_unused_parameters', False) == bool(unused), unused


BASELINES = [name for name in NAMES if name.startswith('baselines/')]


@pytest.mark.parametrize('name', [n for n in BASELINES if '_r101' in n and '_1x_' in n])
def test_baseline_is_mmdetections_with_another_backbone(name):
    """ResNet-101 in place of 50, deformable convolutions as in MMDetection's own configs that have them."""
    stem = Path(name).stem.replace('r101', 'r50')
    expected = detector(stem)
    if expected is None:
        expected = detector(re.sub('-mdconv-c3-c5|-dcn', '', stem))
        deformable = detector('faster-rcnn_r50-mdconv-c3-c5_fpn_1x_coco').model.backbone
        expected.model.backbone.update(dcn=deformable.dcn, stage_with_dcn=deformable.stage_with_dcn)
    expected.model.backbone.depth = 101
    weights = expected.model.backbone.init_cfg
    weights.checkpoint = weights.checkpoint.replace('resnet50', 'resnet101')
    assert plain(parsed(name).to_dict()) == plain(expected.to_dict())


@pytest.mark.parametrize('name', [n for n in BASELINES if '_2x_' in n])
def test_2x_is_1x_with_twice_the_epochs(name):
    expected = detector(Path(name).stem.replace('2x', '1x'))
    expected.train_cfg.max_epochs *= 2
    decay = expected.param_scheduler[-1]
    decay.update(end=2 * decay.end, milestones=[2 * epoch for epoch in decay.milestones])
    assert plain(parsed(name).to_dict()) == plain(expected.to_dict())
