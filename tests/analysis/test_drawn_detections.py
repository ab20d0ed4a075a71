"""Pictures of detections: boxes and masks lie where the objects are."""

import numpy as np
import pytest
import torch
from compared_models import DETECTOR, DRAWS_EXACTLY, write_inputs

pytest.importorskip('mmdet')

from mmdet.structures import DetDataSample
from mmdet.visualization import DetLocalVisualizer
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from labelenc_mm.analysis import drawn_detections
from labelenc_mm.analysis.comparison import compare
from labelenc_mm.shape_scenes import ShapeScenes


@pytest.fixture
def inputs(tmp_path):
    return write_inputs(tmp_path, DETECTOR, 'mmdet')


def draw(config, inputs, count=1, **options):
    """Names and pictures of the ground truth beside one untrained model."""
    init_default_scope('mmdet')
    checkpoints = [str(inputs / 'a.pth')]
    drawer = drawn_detections.DrawnDetections(Config.fromfile(config), checkpoints, **options)
    return list(compare(drawer, ['untrained'], count))


def write_config(folder, *steps):
    """The detector with a validation pipeline of these steps between loading and packing."""
    path = folder / 'config.py'
    path.write_text(
        f"_base_ = ['{DETECTOR}']\n"
        f'steps = [_base_.test_pipeline[0], *{steps!r}, _base_.test_pipeline[-1]]\n'
        f"data = dict(data_root='{folder}/shapes/', pipeline=steps)\n"
        'val_dataloader = dict(dataset=data)\n'
    )
    return path


@pytest.fixture
def drawn(monkeypatch):
    """What is handed to mmdet's visualizer: pairs of a picture and its sample."""
    calls = []
    original = DetLocalVisualizer.add_datasample

    def record(self, name, image, data_sample, *args, **kwargs):
        calls.append((image, data_sample))
        return original(self, name, image, data_sample, *args, **kwargs)

    monkeypatch.setattr(DetLocalVisualizer, 'add_datasample', record)
    return calls


LOAD = dict(type='LoadAnnotations', with_bbox=True, with_mask=True)
TWICE = dict(type='Resize', scale_factor=2.0)
STRETCH = dict(type='Resize', scale=(144, 128), keep_ratio=False)
PAD = dict(type='Pad', size=(224, 160))


@pytest.mark.parametrize(
    'steps',
    [
        (LOAD,),
        (TWICE, LOAD),
        (LOAD, TWICE),
        (dict(type='Resize', scale_factor=0.5), LOAD),
        (STRETCH, LOAD),
        (LOAD, STRETCH),
        (TWICE, PAD, LOAD),
        (LOAD, TWICE, PAD),
    ],
)
def test_ground_truth_lies_on_its_objects(inputs, drawn, steps):
    """Boxes and masks in the picture, whatever the network input is and where they were loaded."""
    draw(write_config(inputs, *steps), inputs, score_thr=1.0)
    picture, sample = drawn[0]
    scene = ShapeScenes((64, 96), 'val')[0]
    assert picture.shape == (2 * 64, 2 * 96, 3)
    instances = sample.gt_instances
    np.testing.assert_allclose(instances.bboxes, scene.boxes * 2, atol=0.01)
    assert instances.masks.shape[1:] == picture.shape[:2]
    masks, expected = instances.masks.numpy(), scene.masks.repeat(2, 1).repeat(2, 2)
    # Resized to the network input and back, an outline may move by a pixel.
    assert ((masks & expected).sum((1, 2)) > 0.8 * (masks | expected).sum((1, 2))).all()


def test_predicted_masks_are_enlarged_with_the_picture(inputs, drawn, monkeypatch):
    mask = torch.zeros(2, 64, 96, dtype=torch.bool)
    mask[0, 10:30, 20:50] = True
    prediction = DetDataSample(
        pred_instances=InstanceData(
            bboxes=torch.tensor([[20.0, 10, 50, 30], [0, 0, 9, 9]]),
            labels=torch.tensor([1, 2]),
            scores=torch.tensor([0.9, 0.1]),
            masks=mask,
        )
    )
    monkeypatch.setattr(drawn_detections, 'inference_detector', lambda model, image: prediction)
    path = write_config(inputs, TWICE, dict(type='LoadAnnotations', with_bbox=True))
    ((_, written),) = draw(path, inputs)
    picture, sample = drawn[1]
    expected = torch.zeros(128, 192, dtype=torch.bool)
    expected[20:60, 40:100] = True
    assert torch.equal(sample.pred_instances.masks[0], expected)
    assert sample.pred_instances.bboxes[0].tolist() == [40, 20, 100, 60]
    shown = written[24:152, 196:388, ::-1].astype(int)
    changed = (np.abs(shown - picture) > 2).any(-1)
    # The object below the threshold is not drawn; around the other lie its border and its score.
    assert changed[25:55, 45:95].mean() > 0.9
    assert not DRAWS_EXACTLY or not changed[:10, :20].any()


def test_validation_data_of_several_parts(inputs):
    """As a training takes them, with palettes of their own."""
    path = write_config(inputs, TWICE, dict(type='LoadAnnotations', with_bbox=True))
    path.write_text(
        path.read_text()
        + 'part = dict(_base_.val_dataloader.dataset, **data)\n'
        + "part['metainfo'] = dict(part.get('metainfo', {}), palette='random')\n"
        + 'other = dict(part, metainfo=dict(part["metainfo"], palette=[(1, 2, 3)] * 8))\n'
        + "parts = dict(_delete_=True, type='ConcatDataset', datasets=[part, other])\n"
        + 'val_dataloader = dict(dataset=parts)\n'
    )
    names = [name for name, _ in draw(path, inputs, count=9)]
    assert names == ['000000.png', '000001.png', '000000_2.png', '000001_3.png']
