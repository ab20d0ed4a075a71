"""The reconstruction is evaluated on the boxes that the network input has, whatever the pipeline."""

import json
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from detection_models import build, small_model_config, stock_model_config
from mmengine.config import ConfigDict
from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from training_configs import SIZE, edit_annotations
from training_runs import shared_data

from labelenc_mm.detection import LabelEncValLoop
from labelenc_mm.detection.reconstruction_loop import _PairEvaluator
from labelenc_mm.shape_scenes import CLASSES

META = ('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor')
LOAD = dict(type='LoadImageFromFile')
PACK = dict(type='PackDetInputs', meta_keys=META)


class Recorder:
    """Stands for the detector: keeps what it is given to reconstruct from."""

    def __init__(self, detector):
        self.data_preprocessor = detector.data_preprocessor
        self.labelenc = detector.labelenc
        self.maps = []

    def val_step(self, data_batch):
        return self._answers(self.data_preprocessor(data_batch, False)['data_samples'])

    def reconstruct(self, inputs, samples):
        size = tuple(inputs.shape[-2:])
        self.maps += [self.labelenc.draw(sample, size) for sample in samples]
        return self._answers(samples)

    def _answers(self, samples):
        for sample in samples:
            sample.pred_instances = InstanceData(
                bboxes=torch.tensor([[0.0, 0, 9, 9]]),
                labels=torch.tensor([0]),
                scores=torch.tensor([0.5]),
            )
        return samples

    def eval(self):
        return self


class Echo(Recorder):
    """Reconstructs what it is given without a fault; predictions are in coordinates of the original."""

    def reconstruct(self, inputs, samples):
        super().reconstruct(inputs, samples)
        for sample in samples:
            truth = sample.gt_instances
            boxes = truth.bboxes / truth.bboxes.new_tensor([*sample.scale_factor] * 2)
            scores = torch.ones(len(truth.labels))
            sample.pred_instances = InstanceData(bboxes=boxes, labels=truth.labels, scores=scores)
        return samples


class Blind(Echo):
    """Finds nothing in the images."""

    def val_step(self, data_batch):
        samples = self.data_preprocessor(data_batch, False)['data_samples']
        for sample in samples:
            empty = dict(bboxes=torch.zeros(0, 4), labels=torch.zeros(0, dtype=torch.long))
            sample.pred_instances = InstanceData(**empty, scores=torch.zeros(0))
        return samples


def maps_seen(
    detector, ann_file, pipeline, batch_size=2, stand_in=Recorder, evaluator=None, repeat=1
):
    """The object maps of the validation set's images, in order, and the metrics."""
    init_default_scope('mmdet')
    dataset = dict(
        type='CocoDataset',
        data_root=str(shared_data()),
        ann_file=str(ann_file),
        test_mode=True,
        data_prefix=dict(img='images/val/'),
        metainfo=dict(classes=CLASSES),
        pipeline=pipeline,
    )
    if repeat > 1:
        dataset = dict(type='ConcatDataset', datasets=[dataset] * repeat)
    loader = dict(batch_size=batch_size, dataset=dataset, num_workers=0)
    loader['sampler'] = dict(type='DefaultSampler', shuffle=False)
    recorder = stand_in(detector)
    runner = SimpleNamespace(
        build_evaluator=partial(Runner.build_evaluator, None),
        call_hook=lambda *args, **kwargs: None,
        model=recorder,
        visualizer=SimpleNamespace(),
        timestamp='now',
    )
    evaluator = evaluator or dict(type='CocoMetric', ann_file=str(ann_file), metric='bbox')
    loader = Runner.build_dataloader(ConfigDict(loader), seed=0)
    metrics = LabelEncValLoop(runner, loader, ConfigDict(evaluator)).run()
    return recorder.maps, metrics


@pytest.fixture(scope='module')
def overhanging(tmp_path_factory):
    """The validation set with a box that leaves the image."""

    def edit(coco):
        box = [SIZE[1] - 20, -10, 40, 30]
        coco['annotations'].append(
            dict(
                id=10**6,
                image_id=0,
                category_id=1,
                bbox=box,
                area=1200,
                iscrowd=0,
                segmentation=[[80, 0, 96, 0, 96, 20, 80, 20]],
            )
        )

    path = tmp_path_factory.mktemp('annotations') / 'val.json'
    return edit_annotations(shared_data() / 'annotations/val.json', edit, path)


RESIZES = {
    'larger': dict(type='Resize', scale=(150, 100), keep_ratio=True),
    'stretched': dict(type='Resize', scale=(160, 90), keep_ratio=False),
    'random': dict(type='RandomResize', scale=[(72, 48), (72, 48)], keep_ratio=True),
}


def mask_detector():
    model = stock_model_config('MaskRCNN')
    model.roi_head.bbox_head.num_classes = model.roi_head.mask_head.num_classes = len(CLASSES)
    return build('MaskRCNN', model=model)


@pytest.mark.parametrize('resize', RESIZES)
@pytest.mark.parametrize('source', ['box', 'mask'])
def test_order_of_loading_and_resizing_does_not_matter(resize, source, overhanging):
    """The toolbox's test pipelines load boxes after the resize, unscaled, for the metric's sake."""
    if source == 'mask':
        detector = mask_detector()
    else:
        detector = build('small', model=small_model_config(len(CLASSES)))
    detector.labelenc.eval()
    load = dict(type='LoadAnnotations', with_bbox=True, with_mask=source == 'mask')
    late, metrics = maps_seen(detector, overhanging, [LOAD, RESIZES[resize], load, PACK])
    early, _ = maps_seen(detector, overhanging, [LOAD, load, RESIZES[resize], PACK])
    assert len(late) == len(early) == 8
    for (classes, maps), (expected_classes, expected) in zip(late, early, strict=True):
        assert torch.equal(classes, expected_classes)
        assert torch.equal(maps, expected)
    assert any(len(classes) for classes, _ in early)
    assert any(not len(classes) for classes, _ in early)  # the image without objects
    assert {'coco/bbox_mAP', 'coco/reconstruction_bbox_mAP'} <= set(metrics)


def test_metrics_that_write_files_do_not_write_over_each_other(overhanging, tmp_path):
    """CityScapesMetric reads its own back; the image branch here always predicts the same box."""
    evaluator = dict(type='CocoMetric', ann_file=str(overhanging), metric='bbox')
    evaluator['outfile_prefix'] = str(tmp_path / 'results')
    detector = build('small', model=small_model_config(len(CLASSES)))
    load = dict(type='LoadAnnotations', with_bbox=True)
    pipeline = [LOAD, RESIZES['larger'], load, PACK]
    maps_seen(detector, overhanging, pipeline, stand_in=Echo, evaluator=evaluator)
    boxes = [
        {tuple(found['bbox']) for found in json.loads((tmp_path / name).read_text())}
        for name in ('results.bbox.json', 'reconstruction_results.bbox.json')
    ]
    assert boxes[0] == {(0.0, 0.0, 9.0, 9.0)} and len(boxes[1]) > 1


def test_evaluators_of_other_classes_keep_their_ways(overhanging, tmp_path):
    """MultiDatasetsEvaluator gives each metric the images of one data set of a ConcatDataset."""
    metric = dict(type='CocoMetric', ann_file=str(overhanging), metric='bbox')
    evaluator = dict(
        type='MultiDatasetsEvaluator',
        metrics=[{**metric, 'outfile_prefix': str(tmp_path / name)} for name in 'ab'],
        dataset_prefixes=['A', 'B'],
    )
    detector = build('small', model=small_model_config(len(CLASSES)))
    load = dict(type='LoadAnnotations', with_bbox=True)
    pipeline = [LOAD, RESIZES['larger'], load, PACK]
    _, metrics = maps_seen(
        detector, overhanging, pipeline, stand_in=Echo, evaluator=evaluator, repeat=2
    )
    truth, box = (metrics[f'A/coco/{key}bbox_mAP'] for key in ('reconstruction_', ''))
    assert truth > 0.9 > box
    assert metrics['B/coco/reconstruction_bbox_mAP'] == truth
    written = {path.name for path in tmp_path.glob('*.bbox.json')}
    assert written == {
        f'{prefix}{name}.bbox.json' for prefix in ('', 'reconstruction_') for name in 'ab'
    }


def test_a_detector_that_finds_nothing_has_metrics_all_the_same(overhanging):
    """CocoMetric gives none then, and what keeps the best checkpoint would look for them."""
    detector = build('small', model=small_model_config(len(CLASSES)))
    load = dict(type='LoadAnnotations', with_bbox=True)
    pipeline = [LOAD, RESIZES['larger'], load, PACK]
    _, metrics = maps_seen(detector, overhanging, pipeline, stand_in=Blind)
    assert metrics['coco/bbox_mAP'] == metrics['coco/bbox_mAP_50'] == 0
    assert metrics['coco/reconstruction_bbox_mAP'] > 0.9


class Told(Evaluator):
    """Gives the metrics that it is told, in turn."""

    def __init__(self, *values):
        super().__init__([])
        self.values = list(values)

    def evaluate(self, size):
        return self.values.pop(0)


def test_whatever_finds_nothing_has_metrics_once_their_names_are_known():
    found = {'coco/a': 0.5, 'b': 0.25}
    pair = _PairEvaluator(Told({}, found, {}, {}), Told({}, {}, {}, found))
    expected = [
        {},
        {**found, 'coco/reconstruction_a': 0, 'reconstruction_b': 0},
        {'coco/a': 0, 'b': 0, 'coco/reconstruction_a': 0, 'reconstruction_b': 0},
        {'coco/a': 0, 'b': 0, 'coco/reconstruction_a': 0.5, 'reconstruction_b': 0.25},
    ]
    for metrics in expected:
        pair.has_images = pair.has_reconstruction = True
        assert pair.evaluate(1) == metrics


def test_pipelines_without_boxes_are_validated_as_usual(overhanging):
    detector = build('small', model=small_model_config(len(CLASSES)))
    maps, metrics = maps_seen(detector, overhanging, [LOAD, RESIZES['larger'], PACK])
    assert maps == []
    assert 'coco/bbox_mAP' in metrics
    assert not any('/reconstruction_' in key for key in metrics)


@pytest.mark.parametrize('resize', RESIZES)
def test_metrics_that_read_the_samples_compare_in_coordinates_of_the_original(resize):
    """VOCMetric takes the ground truth from the samples, CocoMetric from the annotation file."""
    detector = build('small', model=small_model_config(len(CLASSES)))
    path = shared_data() / 'annotations/val.json'
    load = dict(type='LoadAnnotations', with_bbox=True)
    for evaluator, name in (
        (dict(type='VOCMetric', metric='mAP', iou_thrs=[0.9]), 'pascal_voc/mAP'),
        (None, 'coco/bbox_mAP'),
    ):
        pipeline = [LOAD, RESIZES[resize], load, PACK]
        _, metrics = maps_seen(detector, path, pipeline, stand_in=Echo, evaluator=evaluator)
        assert metrics[name.replace('/', '/reconstruction_')] == pytest.approx(1)
        assert metrics[name] < 0.1  # the image branch, whose stand-in finds nothing


def test_a_mask_detector_whose_pipeline_loads_boxes_alone_is_validated_as_usual(
    overhanging, capsys
):
    load = dict(type='LoadAnnotations', with_bbox=True)
    pipeline = [LOAD, RESIZES['larger'], load, PACK]
    maps, metrics = maps_seen(mask_detector(), overhanging, pipeline)
    assert maps == []
    assert 'coco/bbox_mAP' in metrics
    assert not any('/reconstruction_' in key for key in metrics)
    assert 'The validation pipeline loads no masks (LoadAnnotations)' in capsys.readouterr().out
