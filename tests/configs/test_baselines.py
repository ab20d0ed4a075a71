"""The baselines that LabelEnc's configs are compared with, where MMDetection ships none."""

import pytest
from labelenc_configs import NAMES, parse, parsed
from mmdet.registry import MODELS
from mmdet.testing import demo_mm_inputs
from mmengine.registry import init_default_scope
from paper_configs import distinct_models, without_gradient

# Without the wrapper of the label-encoded trainings, which looks for unused parameters anyway.
UNWRAPPED = {name: parsed(name) for name in NAMES if 'model_wrapper_cfg' not in parsed(name)}


@pytest.mark.parametrize('name', distinct_models(UNWRAPPED))
def test_several_processes_look_for_unused_parameters_where_there_are_some(name):
    config = parse(name)
    init_default_scope('mmdet')
    config.model.backbone.init_cfg = None
    detector = MODELS.build(config.model).train()
    head = config.model.get('bbox_head') or config.model.roi_head.bbox_head
    images = demo_mm_inputs(
        2, [[3, 64, 96]] * 2, num_items=[2, 1], num_classes=head.num_classes, with_mask=False
    )
    losses = detector(**detector.data_preprocessor(images, True), mode='loss')
    unused = without_gradient(detector, losses)
    assert config.get('find_unused_parameters', False) == bool(unused), unused
