"""Image classifiers: their losses, predictions and trainings, and the segmentor that takes one over."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.structures import LabelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import register_all_modules
from segmentation_training import write_config
from training_runs import shared_folder, train, weights, with_prefix

register_all_modules(init_default_scope=True)

BACKBONE = {'type': 'ResNet', 'depth': 18, 'base_channels': 8}
CLASSIFY = """
custom_imports = dict(imports=['labelenc_mm', 'coloured_images'], allow_failed_imports=False)
model = dict(
    _delete_=True,
    type='ImageClassifier',
    data_preprocessor=dict(
        type='SegDataPreProcessor', mean=[127.5] * 3, std=[127.5] * 3, size=(32, 32)
    ),
    backbone=dict(
        type='ResNetV1c', depth=18, base_channels=8, stem_channels=8, frozen_stages={frozen}
    ),
    num_classes={num_classes},
    multi_label={multi_label},
)
data = dict(type='ColouredImages', extra={extra})
train_dataloader = dict(
    _delete_=True,
    batch_size=6,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=True),
    dataset=dict(length=96, **data),
)
val_dataloader = dict(
    _delete_=True,
    batch_size=6,
    num_workers=0,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(length=12, **data),
)
test_dataloader = val_dataloader
val_evaluator = dict(_delete_=True, type='ClassificationMetric', multi_label={multi_label})
test_evaluator = val_evaluator
"""


def classifier(**kwargs):
    torch.manual_seed(0)
    return MODELS.build({'type': 'ImageClassifier', 'backbone': BACKBONE, **kwargs})


def samples(*labels, ignored=None):
    found = []
    for index, label in enumerate(labels):
        sample = SegDataSample(metainfo={'img_path': f'photos/{index}.jpg'})
        sample.gt_label = LabelData(label=torch.tensor(label, dtype=torch.int64))
        if ignored is not None:
            sample.gt_label.ignored = torch.tensor(ignored[index], dtype=torch.int64)
        found.append(sample)
    return found


def configured(name, **values):
    values = {'frozen': -1, 'multi_label': False, 'num_classes': 3, 'extra': (), **values}
    return write_config(shared_folder() / f'{name}.py', CLASSIFY, **values)


@pytest.mark.parametrize('out_index', [-1, 1])
def test_logits_are_of_the_mean_over_the_chosen_map(out_index):
    model = classifier(num_classes=5, out_index=out_index).eval()
    image = torch.randn(2, 3, 64, 32)
    pooled = F.adaptive_avg_pool2d(model.backbone(image)[out_index], 1).flatten(1)
    expected = pooled @ model.fc.weight.T + model.fc.bias
    torch.testing.assert_close(model(image), expected)


def test_losses_are_the_cross_entropies_written_out():
    images = torch.randn(3, 3, 32, 32)
    model = classifier(num_classes=4).eval()
    scores = model(images).exp() / model(images).exp().sum(1, keepdim=True)
    expected = -(scores[0, 2].log() + scores[1, 0].log() + scores[2, 3].log()) / 3
    torch.testing.assert_close(model(images, samples([2], [0], [3]), 'loss')['loss_cls'], expected)

    model = classifier(num_classes=4, multi_label=True).eval()
    shown = torch.tensor([[0, 1, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]])
    chance = 1 / (1 + (-model(images)).exp())
    expected = -torch.where(shown == 1, chance, 1 - chance).log().mean()
    torch.testing.assert_close(
        model(images, samples([3, 1], [], [0]), 'loss')['loss_cls'], expected
    )


def test_ignored_classes_add_nothing_to_the_loss():
    images = torch.randn(2, 3, 32, 32)
    model = classifier(num_classes=4, multi_label=True, loss_weight=4.0).eval()
    logits = model(images)
    logits.retain_grad()
    loss = model.loss(logits, samples([1], [], ignored=[[0, 3], [2]]))
    chance = logits.sigmoid()
    expected = (1 - chance[0, 2]).log() + chance[0, 1].log()
    expected = expected + (1 - chance[1, [0, 1, 3]]).log().sum()
    torch.testing.assert_close(loss, -expected / 8)
    loss.backward()
    without = logits.grad == 0
    assert without.tolist() == [[True, False, False, True], [False, False, True, False]]
    # the number of classes as weight: summed over them
    weighted = model(images, samples([1], [], ignored=[[0, 3], [2]]), 'loss')['loss_cls']
    torch.testing.assert_close(weighted, -expected / 2)


def test_predictions_are_probabilities_and_labels():
    images = torch.randn(3, 3, 32, 32)
    model = classifier(num_classes=4).eval()
    for sample, logits in zip(model(images, mode='predict'), model(images), strict=True):
        assert sample.pred_label.score.sum().item() == pytest.approx(1)
        assert sample.pred_label.label.tolist() == [logits.tolist().index(max(logits.tolist()))]
    model = classifier(num_classes=4, multi_label=True).eval()
    for sample, logits in zip(model(images, mode='predict'), model(images), strict=True):
        assert sample.pred_label.label.tolist() == [k for k in range(4) if logits[k] > 0]


@pytest.mark.parametrize(
    ('options', 'ignored', 'message'),
    [
        ({}, ([], [2]), r'1\.jpg has the labels \[1\] and ignores \[2\]; expected one label from'),
        ({'multi_label': True}, ([0], [3]), r'1\.jpg has the labels \[1\] and ignores \[3\]'),
    ],
)
def test_ignored_labels_that_do_not_fit_are_refused(options, ignored, message):
    model = classifier(num_classes=3, **options)
    with pytest.raises(ValueError, match=message):
        model(torch.randn(2, 3, 32, 32), samples([1], [1], ignored=ignored), 'loss')


@pytest.mark.parametrize(
    ('options', 'labels', 'message'),
    [
        (
            {},
            ([0], [1, 2]),
            r'1\.jpg has the labels \[1, 2\]; expected one label from 0 to 2, or multi_',
        ),
        ({}, ([0], []), r'1\.jpg has the labels \[\]; expected one label'),
        ({}, ([0], [3]), r'1\.jpg has the labels \[3\]; expected one label from 0 to 2'),
        (
            {'multi_label': True},
            ([0, 1], [-1]),
            r'1\.jpg has the labels \[-1\]; expected any number',
        ),
    ],
)
def test_labels_that_do_not_fit_are_refused_with_their_image(options, labels, message):
    model = classifier(num_classes=3, **options)
    with pytest.raises(ValueError, match=message):
        model(torch.randn(2, 3, 32, 32), samples(*labels), 'loss')


def test_an_output_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r'out_index=4: ResNet gives out \[\(1, 8, 32, 32\), .*\]'):
        classifier(num_classes=3, out_index=4)


def test_a_training_learns_and_a_stock_segmentor_takes_its_backbone():
    run = train(configured('classify', frozen=1), shared_folder() / 'classify')
    last = [entry for entry in run.scalars() if 'accuracy/top1' in entry][-1]
    assert last['accuracy/top1'] == 100
    assert 'accuracy/top5' not in last  # of three classes

    checkpoint = run.work_dir / 'epoch_3.pth'
    learned = with_prefix(weights(checkpoint), 'backbone.')
    assert len(learned) > 100
    config = Config.fromfile(write_config(run.work_dir / 'segment.py')).model
    config.backbone.init_cfg = {
        'type': 'Pretrained',
        'checkpoint': str(checkpoint),
        'prefix': 'backbone.',
    }
    segmentor = MODELS.build(config)
    segmentor.init_weights()
    taken = segmentor.backbone.state_dict()
    assert taken.keys() == learned.keys()
    assert all(torch.equal(taken[key], learned[key]) for key in taken)


def test_frozen_stages_do_not_move():
    run = train(
        configured('classify', frozen=1), shared_folder() / 'frozen', 'train_cfg.max_epochs=2'
    )
    first, second = (weights(run.work_dir / f'epoch_{epoch}.pth') for epoch in (1, 2))
    moved = {key.split('.')[1] for key in first if not torch.equal(first[key], second[key])}
    assert moved == {'layer2', 'layer3', 'layer4', 'weight', 'bias'}


def test_a_training_with_several_labels_of_an_image():
    config = configured('several', multi_label=True, num_classes=5, extra=(3,))
    run = train(config, shared_folder() / 'several')
    last = [entry for entry in run.scalars() if 'mAP' in entry][-1]
    assert last['mAP'] == 100


@pytest.mark.parametrize('multi_label', [False, True])
def test_half_precision_has_the_loss_of_full_precision(multi_label):
    model = classifier(num_classes=4, multi_label=multi_label).eval()
    images, labels = torch.randn(2, 3, 32, 32), samples([1], [2])
    full = model(images, labels, 'loss')['loss_cls']
    with torch.autocast('cpu', torch.bfloat16):
        half = model(images, labels, 'loss')['loss_cls']
        scores = [s.pred_label.score for s in model(images, labels, 'predict')]
    assert half.item() == pytest.approx(full.item(), rel=0.02)
    assert {score.dtype for score in scores} == {torch.float32}
    half.backward()
    assert model.backbone.conv1.weight.grad.isfinite().all()


def test_a_loss_that_is_not_finite_stops_the_training():
    model = classifier(num_classes=3)
    losses = model(torch.full((2, 3, 32, 32), torch.nan), samples([0], [1]), 'loss')
    with pytest.raises(FloatingPointError, match='loss_cls'):
        model.parse_losses(losses)


def test_two_processes_train_it(tmp_path):
    run = train(configured('classify', frozen=1), tmp_path, 'train_cfg.max_epochs=1', processes=2)
    (last,) = [entry for entry in run.scalars() if 'accuracy/top1' in entry]
    assert 0 <= last['accuracy/top1'] <= 100
