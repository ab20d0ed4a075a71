"""Iterations of segmentors: their label maps, and operations by the formula of the heads' layers."""

import pytest
import torch

pytest.importorskip('mmseg')

from mmengine.config import Config
from segmentation_models import CHANNELS, NUM_CLASSES, stock_model_config

from labelenc_mm.benchmark import Workload, build_train_step, find_task, measure_costs
from labelenc_mm.benchmark.costs import count_operations
from labelenc_mm.benchmark.segmentors import Segmentors, make_batch
from labelenc_mm.benchmark.workload import make_scenes

# Another size than that of the config (64, 80), to which its preprocessor would pad.
SIZE = (48, 64)
WORKLOAD = Workload(SIZE, batch_size=2, num_objects=4, num_present=2)
DECODER = dict(init_from='nowhere.safetensors', channels=CHANNELS)
ENCODER = dict(
    type='FrozenLabelEncoderHead', channels=CHANNELS, features=['backbone.0', 'backbone.3']
)


def config_of(label_structure=None):
    model = stock_model_config('PSPNet')
    if label_structure is not None:
        model.update(type='LabelStructureEncoderDecoder', label_structure=label_structure)
    optimizer = dict(type='SGD', lr=0.01, momentum=0.9)
    return Config(dict(model=model, optim_wrapper=dict(optimizer=optimizer)))


def train_step(config, *options):
    return build_train_step(find_task(config), config, *options)


@pytest.fixture(scope='module')
def stock_operations():
    return count_operations(train_step(config_of(), WORKLOAD))


def decoder_pass():
    """Multiply-adds of the decoder: 3x3 convolutions from the code, 3x4, to the maps, 48x64."""
    widths = [*reversed(CHANNELS), NUM_CLASSES]
    pixels = [3 * 4 * 4**i for i in range(5)]
    return 2 * sum(9 * a * b * n for a, b, n in zip(widths, widths[1:], pixels))


# What enters the classifier of the small PSPNet has 16 channels and stride 8.
TO_CODE = 2 * (6 * 8) * 16 * CHANNELS[-1]


@pytest.mark.parametrize(
    'options, operations',
    [
        # Frozen: forward, and backward to the input alone.
        (dict(), 3 * TO_CODE + 2 * decoder_pass()),
        (dict(freeze=False), 3 * TO_CODE + 3 * decoder_pass()),
    ],
)
def test_operations_of_the_decoder_head(options, operations, stock_operations):
    step = train_step(config_of(dict(DECODER, **options)), WORKLOAD)
    assert count_operations(step) - stock_operations == operations


def test_operations_of_the_encoder_head(stock_operations):
    # conv1 and conv3 are the targets: the encoder runs up to conv3, forward alone; its first
    # convolution is a lookup.
    widths = CHANNELS[:3]
    encoder = sum(9 * widths[i - 1] * widths[i] * (48 * 64) // 4**i for i in (1, 2))
    outputs = CHANNELS[0] + CHANNELS[2]
    projections = (12 * 16) * 8 * outputs + (6 * 8) * 64 * outputs
    step = train_step(config_of(ENCODER), WORKLOAD)
    assert count_operations(step) - stock_operations == 2 * (encoder + 3 * projections)


def test_trains_with_label_structure():
    step = train_step(config_of([DECODER, ENCODER]), WORKLOAD)
    decoder, encoder = step.model.label_structure
    frozen = [p.clone() for p in (*decoder.decoder.parameters(), *encoder.encoder.parameters())]
    trained = decoder.to_code.weight.clone()
    losses = step(step.fresh_batch())
    assert {'decode.loss_ce', 'label_structure_0.loss_ce', 'label_structure_1.loss_mse'} <= set(
        losses
    )
    now = [*decoder.decoder.parameters(), *encoder.encoder.parameters()]
    assert all(map(torch.equal, frozen, now))
    assert not torch.equal(trained, decoder.to_code.weight)


def test_costs_beside_the_stock_segmentor():
    steps = {
        name: train_step(config_of(head), WORKLOAD)
        for name, head in dict(stock=None, decoder=DECODER, encoder=ENCODER).items()
    }
    steps['encoder'].take_weights(steps['stock'])
    weights = steps['encoder'].model.state_dict()
    for name, value in steps['stock'].model.state_dict().items():
        assert torch.equal(weights[name], value), name
    costs = measure_costs(steps, rounds=1)
    for name in ('decoder', 'encoder'):
        assert costs[name].peak_bytes > costs['stock'].peak_bytes
        assert Segmentors().further_costs(steps[name]) == {}  # label maps come with the data


def test_autocast_on_the_cpu():
    step = train_step(config_of(DECODER), WORKLOAD, 'cpu', 'bf16')
    dtypes = []
    layer = step.model.label_structure[0].decoder.convs[0]
    layer.register_forward_hook(lambda _, inputs, output: dtypes.append(output.dtype))
    losses = step(step.fresh_batch())
    assert dtypes == [torch.bfloat16]
    assert losses['label_structure.loss_ce'].isfinite()


@pytest.mark.gpu
@pytest.mark.parametrize('amp', [None, 'fp16', 'bf16'])
def test_on_a_gpu(amp):
    steps = {
        name: train_step(config_of(head), WORKLOAD, 'cuda', amp)
        for name, head in dict(stock=None, ours=[DECODER, ENCODER]).items()
    }
    costs = measure_costs(steps, rounds=1)
    assert costs['ours'].multiply_adds > costs['stock'].multiply_adds
    assert costs['ours'].peak_bytes > costs['stock'].peak_bytes > 0


def test_objects_have_a_rim_of_void():
    # Two classes and two objects: the first is of the ground's class, the second on top of it.
    workload = Workload((256, 256), num_objects=2, num_present=2)
    (sample,) = make_batch(workload, 9, ignore_index=7)['data_samples']
    label_map = sample.gt_sem_seg.data
    assert label_map.dtype == torch.int64
    (scene,) = make_scenes(workload, 9)
    sides = scene.bboxes[1, 2:] - scene.bboxes[1, :2]
    area = float(torch.pi / 4 * sides.prod())
    assert int((label_map == 8).sum()) == pytest.approx(0.81 * area, rel=0.03)
    assert int((label_map == 7).sum()) > 0.15 * area


def test_label_maps_hold_every_class_and_void():
    batch = make_batch(WORKLOAD, NUM_CLASSES)
    for image, sample in zip(batch['inputs'], batch['data_samples'], strict=True):
        label_map = sample.gt_sem_seg.data
        assert image.shape == (3, *SIZE) and label_map.shape == (1, *SIZE)
        assert set(label_map.unique().tolist()) == {0, NUM_CLASSES - 1, 255}
        assert (label_map == 255).float().mean() < 0.25 < (label_map == 0).float().mean()


def test_label_head_among_auxiliary_heads():
    config = config_of()
    ours = dict(
        type='FrozenLabelDecoderHead',
        num_classes=NUM_CLASSES,
        in_channels=64,
        in_index=3,
        **DECODER,
    )
    stock_head = config.model.auxiliary_head
    config.model.auxiliary_head = [stock_head, ours]
    assert Segmentors().stock_config(config).model == config_of().model
    losses = train_step(config, WORKLOAD)(make_batch(WORKLOAD, NUM_CLASSES))
    assert 'aux_1.loss_ce' in losses


def test_configs_without_label_heads_are_refused():
    with pytest.raises(ValueError, match='has no label head'):
        Segmentors().stock_config(config_of())
    with pytest.raises(ValueError, match='no plain form of label structure'):
        Segmentors().plain_config(config_of(DECODER))
