"""Label-encoded detectors from stock configs: one pass each, gradient routing, refusals."""

import pickle

import pytest
import torch
from detection_models import (
    STOCK_CONFIGS,
    build,
    data,
    has_gradient,
    small_model_config,
    stock_model_config,
    sum_losses,
    training_at,
)
from mmdet.models.detectors import (
    FCOS,
    KnowledgeDistillationSingleStageDetector,
    RetinaNet,
    SemiBaseDetector,
)
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.model import PretrainedInit
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from labelenc_mm import detection
from labelenc_mm.detection import LabelEncMixin, labelenc_detector
from labelenc_mm.detection.introspection import head_children
from labelenc_mm.detection.label_encoding_head import build_pyramid
from labelenc_mm.engine.finite_losses import stop_if_not_finite
from labelenc_mm.networks.blank_image import image_channels

SLOW = {'DeformableDETR', 'DINO', 'Cascade Mask R-CNN', 'CascadeRCNN'}
SIZES = {
    'DINO': ((3, 256, 256), (3, 224, 256)),  # it chooses 900 of its positions
    'RTMDet-Ins': ((3, 128, 128),) * 2,  # it is trained on images of one size and joins their masks
}


@pytest.mark.parametrize(
    'name', [pytest.param(n, marks=pytest.mark.slow if n in SLOW else ()) for n in STOCK_CONFIGS]
)
def test_every_detector_of_the_table_trains_and_predicts(name):
    detector = build(name)
    stock = MODELS.get(detector.stock_type)
    assert isinstance(detector, stock) and isinstance(detector, LabelEncMixin)
    # The stock model's keys and ours under one name, nothing moved.
    init_default_scope('mmdet')
    stock_keys = set(MODELS.build(stock_model_config(name)).state_dict())
    assert stock_keys == {key for key in detector.state_dict() if not key.startswith('labelenc.')}
    with training_at(600):
        batch = data(detector, sizes=SIZES.get(name, ((3, 128, 128), (3, 112, 128))))
    with training_at(600):
        losses = detector(**batch, mode='loss')
    own = {key for key in losses if not key.startswith(('ae_', 'labelenc', 'loss_labelenc'))}
    assert {f'ae_{key}' for key in own} == {key for key in losses if key.startswith('ae_')}
    loss, _ = detector.parse_losses(losses)
    loss.backward()
    for part in ('encoder', 'pyramid', 'adapter'):
        assert has_gradient(getattr(detector.labelenc, part)), part
    assert has_gradient(detector.backbone) and has_gradient(detector.neck)
    assert all(
        has_gradient(child)
        for child in head_children(detector).values()
        if any(p.requires_grad for p in child.parameters())
    )
    detector.eval()
    predictions = detector(**batch, mode='predict')
    assert len(predictions) == 2 and all('pred_instances' in sample for sample in predictions)


@pytest.mark.parametrize('name', ['RTMDet', 'RTMDet-Ins', 'YOLOX'])
def test_label_pass_leaves_head_statistics_bit_unchanged(name):
    """The same weights and batch with and without a label pass: the head's buffers are equal."""
    buffers = []
    for stage in ('autoencode', 'supervise'):
        torch.manual_seed(0)
        detector = build(name, stage)
        torch.manual_seed(1)
        with training_at(0):  # the distance is off in step 1; step 2 has no label pass of the head
            detector(**data(detector, sizes=SIZES['RTMDet-Ins']), mode='loss')
        buffers.append(
            {
                key: value
                for key, value in detector.bbox_head.state_dict().items()
                if 'running' in key or 'num_batches' in key
            }
        )
    assert len(buffers[0]) >= 36
    assert any(v.ne(0).any() for k, v in buffers[0].items() if 'num_batches' in k)
    for key, value in buffers[0].items():
        assert torch.equal(value, buffers[1][key]), key
    assert any(value.ne(0).any() for key, value in buffers[0].items() if 'running_mean' in key)


def test_label_pass_leaves_counts_of_the_head_unchanged():
    """Losses that weight classes by their frequency count the objects of an image once."""
    counts = []
    for stage in ('autoencode', 'supervise'):
        model = stock_model_config('FasterRCNN')
        model.roi_head.bbox_head.loss_cls = dict(type='SeesawLoss', num_classes=80)
        torch.manual_seed(0)
        detector = build('FasterRCNN', stage, model)
        buffer = detector.roi_head.bbox_head.loss_cls.cum_samples
        torch.manual_seed(1)
        with training_at(0):
            losses = detector(**data(detector), mode='loss')
        sum_losses(losses).backward()
        assert detector.roi_head.bbox_head.loss_cls.cum_samples is buffer
        counts.append(buffer)
    assert counts[0].sum() > 0 and torch.equal(*counts)


# Which loss reaches which part in step 1 (DESIGN: L1 label side, L2 image side, L3 distance).
ROUTES = {
    'L1': dict(encoder=1, pyramid=1, adapter=0, backbone=0, neck=0, bbox_head=1),
    'L2': dict(encoder=0, pyramid=0, adapter=0, backbone=1, neck=1, bbox_head=1),
    'L3': dict(encoder=0, pyramid=0, adapter=1, backbone=1, neck=1, bbox_head=0),
}


@pytest.mark.parametrize('loss_name', ROUTES)
def test_gradient_routing_of_step_1(loss_name):
    detector = build('small')
    with training_at(600):
        losses = detector(**data(detector), mode='loss')
    total = {
        'L1': sum_losses(losses, 'ae_'),
        'L2': sum(losses['loss_cls']) + sum(losses['loss_bbox']),
        'L3': losses['loss_labelenc'],
    }[loss_name]
    total.backward()
    parts = dict(detector.named_children()) | dict(detector.labelenc.named_children())
    found = {name: int(has_gradient(parts[name])) for name in ROUTES[loss_name]}
    assert found == ROUTES[loss_name]


def test_step_2_trains_only_the_detector_and_the_adapter():
    detector = build('small', 'supervise')
    frozen = {k: v.clone() for k, v in detector.labelenc.state_dict().items() if 'adapter' not in k}
    optimizer = torch.optim.SGD(
        [p for p in detector.parameters() if p.requires_grad], 0.01, weight_decay=0.1
    )
    with training_at(600):
        losses = detector(**data(detector), mode='loss')
    assert not any(key.startswith('ae_') for key in losses)
    losses['loss_labelenc'].backward()
    assert not has_gradient(detector.labelenc.encoder) and not has_gradient(
        detector.labelenc.pyramid
    )
    assert not has_gradient(detector.bbox_head)
    assert has_gradient(detector.labelenc.adapter) and has_gradient(detector.neck)
    optimizer.step()
    detector.train()
    assert not detector.labelenc.encoder.training and not detector.labelenc.pyramid.training
    assert all(not p.requires_grad for p in detector.labelenc.encoder.parameters())
    for key, value in frozen.items():
        assert torch.equal(detector.labelenc.state_dict()[key], value), key


@pytest.mark.parametrize(
    'stage, iteration, is_active',
    [
        ('autoencode', 0, False),
        ('autoencode', 299, False),
        ('autoencode', 300, True),
        ('autoencode', 1199, True),
        ('supervise', 0, True),
        ('supervise', 1099, True),
        ('supervise', 1100, False),
        ('one-run', 299, False),
        ('one-run', 300, True),
        ('one-run', 1099, True),
        ('one-run', 1100, False),
    ],
)
def test_default_schedule_of_the_distance(stage, iteration, is_active):
    """1200 iterations in 12 epochs: on after a quarter of step 1, off in the last epoch of step 2.

    In one run both.
    """
    detector = build('small', stage, **({'label_share': 1.0} if stage == 'one-run' else {}))
    calls = []
    detector.labelenc.adapter.register_forward_hook(lambda *args: calls.append('adapter'))
    detector.labelenc.encoder.register_forward_hook(lambda *args: calls.append('encoder'))
    with training_at(iteration):
        losses = detector(**data(detector), mode='loss')
    assert ('loss_labelenc' in losses) == is_active
    assert ('labelenc_corr_0' in losses) == is_active
    assert ('adapter' in calls) == is_active  # nothing of it is computed while it is off
    assert ('encoder' in calls) == (is_active or stage != 'supervise')


def test_initialisation_alone_computes_the_stock_losses_and_nothing_else():
    """Table 5: with loss_weight=0 step 2 neither draws nor encodes."""
    detector = build('small', 'supervise', loss_weight=0)
    calls = []
    detector.labelenc.draw = lambda *args: calls.append(args)
    for part in (detector.labelenc.encoder, detector.labelenc.pyramid, detector.labelenc.adapter):
        part.register_forward_hook(lambda *args: calls.append(args))
    stock = MODELS.build(small_model_config())
    stock.load_state_dict(
        {k: v for k, v in detector.state_dict().items() if not k.startswith('labelenc.')}
    )
    batch = data(detector)
    with training_at(600):
        losses = detector(**batch, mode='loss')
    expected = stock.train()(**batch, mode='loss')
    assert calls == [] and set(losses) == set(expected)
    for key, values in expected.items():
        assert all(map(torch.equal, losses[key], values)), key


def test_step_1_with_weight_0_learns_both_branches_without_a_distance():
    detector = build('small', loss_weight=0)
    with training_at(600):
        losses = detector(**data(detector), mode='loss')
    assert set(losses) == {'loss_cls', 'loss_bbox', 'ae_loss_cls', 'ae_loss_bbox'}


def test_resting_adapter_does_not_move_under_weight_decay_and_momentum():
    detector = build('small')
    optimizer = torch.optim.SGD(detector.parameters(), 0.01, momentum=0.9, weight_decay=0.1)
    before = {k: v.clone() for k, v in detector.labelenc.adapter.state_dict().items()}
    batch = data(detector)
    for iteration, moves in ((0, False), (1, False), (600, True)):
        optimizer.zero_grad()
        with training_at(iteration):
            loss, _ = detector.parse_losses(detector(**batch, mode='loss'))
        loss.backward()
        optimizer.step()
        after = detector.labelenc.adapter.state_dict()
        assert any(not torch.equal(after[k], v) for k, v in before.items()) == moves


def test_losses_of_the_image_branch_are_the_stock_detectors():
    """C2: feature injection changes nothing; same weights and seed give bit-equal stock losses."""
    detector = build('FasterRCNN')
    stock = MODELS.build(stock_model_config('FasterRCNN'))
    stock.load_state_dict(
        {k: v for k, v in detector.state_dict().items() if not k.startswith('labelenc.')}
    )
    batch = data(detector)
    detector.labelenc.eval()  # no draw of random scales before the head samples its proposals
    torch.manual_seed(3)
    with training_at(0):
        losses = detector(**batch, mode='loss')
    torch.manual_seed(3)
    expected = stock.train()(**batch, mode='loss')
    assert {k for k in losses if not k.startswith('ae_')} == set(expected)
    for key, value in expected.items():
        for mine, theirs in zip(*([v] if torch.is_tensor(v) else v for v in (losses[key], value))):
            assert torch.equal(mine, theirs), key


@pytest.mark.parametrize('stage', ['autoencode', 'supervise', 'one-run'])
@pytest.mark.parametrize('name', ['small', pytest.param('MaskRCNN', marks=pytest.mark.slow)])
def test_same_keys_and_gradients_without_any_object(name, stage):
    """C7: images without objects give the same loss keys and the same parameters in the graph."""
    share = dict(label_share=1.0) if stage == 'one-run' else {}
    detector = build(name, stage, **share)
    keys, graphs = [], []
    for num_items in ((2, 1), (0, 0)):
        detector.zero_grad()
        with training_at(600):
            losses = detector(**data(detector, num_items), mode='loss')
        loss, log_vars = detector.parse_losses(losses)
        loss.backward()
        keys.append(set(log_vars))
        graphs.append({n for n, p in detector.named_parameters() if p.grad is not None})
        assert torch.isfinite(loss)
    assert keys[0] == keys[1]
    ours = [{n for n in graph if n.startswith('labelenc.')} for graph in graphs]
    assert ours[0] == ours[1]


def test_num_classes_and_paths_of_options_are_the_users():
    model = small_model_config(num_classes=3)
    detector = build('small', model=model)
    assert detector.labelenc.encoder.num_classes == 3
    batch = data(detector, num_classes=3)
    losses = []
    with training_at(600):
        for weight in (0.5, 1.0):
            detector.labelenc.loss_weight = weight
            torch.manual_seed(0)
            losses.append(float(detector(**batch, mode='loss')['loss_labelenc']))
    assert losses[0] == pytest.approx(losses[1] / 2)


def test_a_class_id_out_of_range_names_the_image():
    model = small_model_config(num_classes=3)
    detector = build('small', model=model)
    batch = data(detector, num_classes=3)
    batch['data_samples'][1].gt_instances.labels[0] = 3
    batch['data_samples'][1].set_metainfo(dict(img_path='images/odd.jpg'))
    with training_at(600), pytest.raises(ValueError, match=r'images/odd\.jpg.*3 classes'):
        detector(**batch, mode='loss')


def test_degenerate_boxes_and_ignored_instances_do_not_reach_the_object_maps():
    detector = build('small')
    batch = data(detector)
    sample = batch['data_samples'][0]
    expected = detector.labelenc.draw(sample, (128, 128))
    objects = sample.gt_instances
    bad = torch.tensor([[5.0, 5, 5, 9], [float('nan'), 1, 2, 3]])
    sample.gt_instances = InstanceData(
        bboxes=torch.cat([objects.bboxes, bad]),
        labels=torch.cat([objects.labels, torch.tensor([7, 8])]),
    )
    sample.ignored_instances = InstanceData(
        bboxes=torch.tensor([[0.0, 0, 64, 64]]), labels=torch.tensor([5])
    )
    found = detector.labelenc.draw(sample, (128, 128))
    assert torch.equal(found[0], expected[0]) and torch.equal(found[1], expected[1])


def test_mask_detectors_draw_masks():
    detector = build('MaskRCNN')
    assert detector.labelenc.label_source == 'mask'
    sample = data(detector)['data_samples'][0]
    _, maps = detector.labelenc.draw(sample, (128, 128))
    detector.labelenc.label_source = 'box'
    _, boxes = detector.labelenc.draw(sample, (128, 128))
    assert (maps <= boxes).all() and not torch.equal(maps, boxes)
    del sample.gt_instances.masks
    detector.labelenc.label_source = 'mask'
    with pytest.raises(ValueError, match='with_mask=True'):
        detector.labelenc.draw(sample, (128, 128))


@pytest.mark.parametrize('source', ['box', 'mask'])
def test_inclusive_boxes_are_drawn_in_the_plain_form_of_the_released_code(source):
    """Boxes end at their last pixel, masks stay where they are."""
    detector = build('MaskRCNN', pixel_convention='inclusive', label_source=source)
    masks = torch.rand(3, 128, 128) > 0.3
    objects = InstanceData(
        bboxes=torch.tensor([[0.0, 3, 21, 128], [40, 50, 128, 77], [9, 9, 10, 99]]),
        labels=torch.tensor([4, 2, 1]),
        masks=BitmapMasks(masks.numpy().astype('uint8'), 128, 128),
    )
    sample = DetDataSample(gt_instances=objects)
    classes, maps = detector.labelenc.draw(sample, (128, 128))
    assert classes.tolist() == [
        2,
        4,
    ]  # that of one pixel has no width left, as in the authors' code
    for label, drawn in zip(classes.tolist(), maps, strict=True):
        index = objects.labels.tolist().index(label)
        x1, y1, x2, y2 = (objects.bboxes[index] - torch.tensor([0, 0, 1, 1])).tolist()
        pixels = torch.arange(128.0)
        x, y = ((pixels - (a + b) / 2).abs() / (b - a) for a, b in ((x1, x2), (y1, y2)))
        ramp = 1 - torch.maximum(x, y[:, None])
        ramp = torch.where(ramp >= 0.5, ramp, 0)
        assert torch.equal(drawn, ramp * masks[index] if source == 'mask' else ramp)
        assert ramp[int(y2), int(x2)] == 0.5  # the last pixel, at the border 127


@pytest.mark.parametrize('stage', ['autoencode', 'one-run'])
def test_bfloat16_autocast_stays_finite_with_a_float32_distance(stage):
    # Of two images one passes through the label branch, both are compared.
    share = dict(label_share=0.5, compare_all=True) if stage == 'one-run' else {}
    detector = build('small', stage, **share)
    with training_at(600), torch.autocast('cpu', dtype=torch.bfloat16):
        losses = detector(**data(detector), mode='loss')
    assert losses['loss_labelenc'].dtype == torch.float32
    loss, _ = detector.parse_losses(losses)
    loss.backward()
    assert all(torch.isfinite(p.grad).all() for p in detector.parameters() if p.grad is not None)
    assert all(has_gradient(part) for part in detector.labelenc.children())


def test_float16_autocast_keeps_the_encoder_in_float32():
    detector = build('small')
    samples = data(detector)['data_samples']
    detector.labelenc.eval()
    expected = detector.labelenc.encode(samples, (128, 128))
    with torch.autocast('cpu', dtype=torch.float16):
        found = detector.labelenc.encode(samples, (128, 128))
    assert all(level.dtype == torch.float32 for level in found)
    assert all(map(torch.equal, found, expected))


def test_a_loss_that_is_not_finite_stops_before_backward():
    detector = build('small')
    with torch.no_grad():
        detector.bbox_head.retina_cls.bias.fill_(float('nan'))
    with training_at(600):
        losses = detector(**data(detector), mode='loss')
        with pytest.raises(FloatingPointError, match=r'iteration 600.*loss_cls'):
            detector.parse_losses(losses)


def test_finite_losses_pass():
    log_vars = {'loss': torch.tensor(1.0), 'acc': torch.tensor(float('nan'))}
    assert stop_if_not_finite(log_vars) is None  # an accuracy may be NaN


def test_training_outside_a_runner_is_an_error():
    detector = build('small')
    with pytest.raises(RuntimeError, match='MessageHub'):
        detector(**data(detector), mode='loss')


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(stage='encode'), "stage='encode' is unknown"),
        (dict(label_source='keypoints'), 'label_source'),
        (dict(pixel_convention='inklusive'), "'exclusive' or 'inclusive', got 'inklusive'"),
        (dict(pixel_convention='inclusive', pixel_offset=0.5), 'leave pixel_offset out'),
        (dict(stage='autoencode', init_from='x.safetensors'), 'init_from belongs'),
        (dict(distance_begin=1.5), 'share of the training'),
    ],
)
def test_bad_options_are_refused_when_the_model_is_built(options, message):
    with pytest.raises(ValueError, match=message):
        build('small', **{'stage': 'autoencode', **options})


@pytest.mark.parametrize('end', [13, -13])
def test_an_end_beyond_the_training_is_refused_at_the_first_iteration(end):
    detector = build('small', 'supervise', distance_end=end)
    with training_at(0), pytest.raises(ValueError, match='outside the training of 12 epochs'):
        detector(**data(detector), mode='loss')


def test_supervision_needs_a_learned_encoder():
    detector = build('small', 'supervise')
    detector.labelenc.encoder_is_loaded.fill_(0)
    with training_at(0), pytest.raises(RuntimeError, match='init_from'):
        detector(**data(detector), mode='loss')


def test_unfit_detectors_are_refused_with_the_reason():
    with pytest.raises(TypeError, match="another model's 1 times"):
        labelenc_detector(KnowledgeDistillationSingleStageDetector)
    with pytest.raises(TypeError, match='self.extract_feat 0 times'):
        labelenc_detector(SemiBaseDetector)
    with pytest.raises(TypeError, match='SoftTeacher cannot be label-encoded'):
        MODELS.build(dict(type='LabelEncSoftTeacher'))


@pytest.mark.parametrize(
    'config, reason',
    [
        ('rpn/rpn_r50_fpn_1x_coco.py', 'tells objects from background only'),
        ('maskformer/maskformer_r50_ms-16xb1-75e_coco.py', 'pixel decoder belongs to the head'),
        ('mask2former/mask2former_r50_8xb2-lsj-50e_coco.py', 'of several widths'),
        ('panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py', 'also learns stuff'),
        ('tridentnet/tridentnet_r50-caffe_1x_coco.py', 'makes three images of each'),
        ('lad/lad_r50-paa-r101_fpn_2xb8_coco_1x.py', 'a teacher of its own'),
        ('glip/glip_atss_swin-t_a_fpn_dyhead_pretrain_obj365.py', 'compares with texts'),
    ],
)
def test_detectors_of_something_else_are_refused_when_they_are_built(config, reason):
    model = Config.fromstring(f"_base_ = 'mmdet::{config}'", '.py').model
    kind = model.type
    model.update(type=f'LabelEnc{kind}', labelenc=dict(stage='autoencode'))
    init_default_scope('mmdet')
    with pytest.raises(TypeError, match=f'{kind} cannot be label-encoded: .*{reason}'):
        MODELS.build(model)


def test_a_users_own_detector_is_encoded_too():
    class MyDetector(RetinaNet):
        def loss(self, batch_inputs, batch_data_samples):
            losses = super().loss(batch_inputs, batch_data_samples)
            return {f'my_{key}': value for key, value in losses.items()}

    cls = labelenc_detector(MyDetector)
    assert cls.__name__ == 'LabelEncMyDetector' and cls.stock_type == 'MyDetector'
    assert issubclass(cls, LabelEncMixin) and issubclass(cls, RetinaNet)
    assert issubclass(MODELS.get('LabelEncFCOS'), FCOS)


def test_classes_can_be_imported_by_new_style_configs():
    assert detection.LabelEncFCOS is MODELS.get('LabelEncFCOS')
    assert pickle.loads(pickle.dumps(detection.LabelEncFCOS)) is detection.LabelEncFCOS
    with pytest.raises(AttributeError, match='LabelEncNothing'):
        _ = detection.LabelEncNothing


def test_images_may_have_any_number_of_channels():
    model = small_model_config(3)
    model.backbone.update(in_channels=4)
    model.data_preprocessor = dict(type='DetDataPreprocessor')
    detector = build('small', model=model)
    assert detector.labelenc.encoder_outputs == (0, 1, 2, 3)
    yolox = stock_model_config('YOLOX')  # its first convolution sees 2x2 pixels of 3 channels
    assert image_channels(MODELS.build(yolox)) == 3


@pytest.mark.parametrize('several', [False, True])
@pytest.mark.parametrize('kind', ['Pretrained', PretrainedInit])
def test_pyramid_takes_no_weights_for_images(kind, several):
    weights = dict(type=kind, checkpoint='neck_of_images.pth')
    init_cfg = [dict(type='Xavier', layer='Conv2d'), weights] if several else weights
    neck = dict(type='FPN', in_channels=[8, 8], out_channels=16, num_outs=2, init_cfg=init_cfg)
    init_default_scope('mmdet')
    pyramid = build_pyramid(neck, [16, 32])
    left = pyramid.init_cfg if isinstance(pyramid.init_cfg, list) else [pyramid.init_cfg]
    assert [entry['type'] for entry in left] == ['Xavier']
    assert neck['init_cfg'] is init_cfg


def test_an_empty_list_of_losses_counts_nothing():
    detector = build('small')
    loss, log_vars = detector.parse_losses({'loss_cls': torch.tensor(2.0), 'loss_extra': []})
    assert loss == 2 and log_vars['loss_extra'] == 0
