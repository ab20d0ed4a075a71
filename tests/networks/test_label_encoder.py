"""The class-sparse label encoder against a dense network written out plainly."""

import math

import pytest
import torch
import torch.nn.functional as F

from labelenc_mm.labels import draw_object_maps
from labelenc_mm.networks import LabelEncoder

SMALL = dict(stem_channels=8, out_channels=(8, 16, 24, 32))


def dense_forward(encoder, inputs):
    """Table 8 of the paper on dense maps (N, C, H, W), layer by layer from the state dict."""
    state = dict(encoder.named_parameters())
    x = F.conv2d(inputs, state['stem.weight'], state['stem.bias'], stride=2, padding=3)
    outputs = []
    for stage, num_blocks in enumerate((1, 2, 2, 1)):
        for block in range(num_blocks):
            prefix = f'stages.{stage}.{block}.'
            stride = 2 if block == 0 else 1
            identity = x
            if block == 0:
                identity = F.conv2d(x, state[f'{prefix}projection.weight'], stride=2)
            y = F.conv2d(x, state[f'{prefix}conv1.weight'], state[f'{prefix}conv1.bias']).relu()
            y = F.conv2d(
                y, state[f'{prefix}conv2.weight'], state[f'{prefix}conv2.bias'], stride, 1
            ).relu()
            y = F.conv2d(y, state[f'{prefix}conv3.weight'], state[f'{prefix}conv3.bias'])
            x = (y + identity).relu()
        outputs.append(x)
    return outputs


def object_maps(size):
    boxes = torch.tensor([[3.0, 5, 40, 30], [20, 10, 60, 50], [1, 1, 9, 9]])
    return [
        draw_object_maps(boxes, torch.tensor([4, 1, 4]), size),
        draw_object_maps(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), size),
        draw_object_maps(boxes[:1], torch.tensor([0]), size),
    ]


def to_dense(maps, num_classes, size):
    output = torch.zeros(len(maps), num_classes, *size)
    for image, (classes, values) in zip(output, maps):
        image[classes] = values.float()
    return output


@pytest.mark.parametrize('size', [(64, 96), (51, 77)])
def test_equals_the_dense_form_in_outputs_and_gradients(size):
    torch.manual_seed(0)
    encoder = LabelEncoder(6, **SMALL).double()
    maps = [(classes, values.double()) for classes, values in object_maps(size)]
    outputs = encoder(maps)
    sum((output**2).sum() for output in outputs).backward()
    gradients = {name: p.grad.clone() for name, p in encoder.named_parameters()}
    encoder.zero_grad()
    expected = dense_forward(encoder, to_dense(maps, 6, size).double())
    sum((output**2).sum() for output in expected).backward()
    for output, wanted, stride in zip(outputs, expected, encoder.strides):
        torch.testing.assert_close(output, wanted)
        assert output.shape[-2:] == tuple(math.ceil(side / stride) for side in size)
    for name, parameter in encoder.named_parameters():
        torch.testing.assert_close(gradients[name], parameter.grad, msg=name)


def test_batch_without_any_object_keeps_every_parameter_in_the_graph():
    encoder = LabelEncoder(3, **SMALL)
    empty = draw_object_maps(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long), (32, 32))
    sum(output.sum() for output in encoder([empty, empty])).backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())
    assert not encoder.stem.weight.grad.any()
    expected = dense_forward(encoder, torch.zeros(2, 3, 32, 32))
    for output, wanted in zip(encoder([empty, empty]), expected):
        torch.testing.assert_close(output, wanted)


def test_autocast_rounds_the_merged_weights_once():
    encoder = LabelEncoder(4, **SMALL)
    classes, maps = torch.tensor([1, 3]), torch.rand(2, 32, 48)
    first = encoder.stages[0][0]
    with torch.autocast('cpu', torch.bfloat16):
        outputs = encoder._enter(first, classes, maps)
    for output, layer, stride in zip(outputs, (first.conv1, first.projection), (2, 4)):
        matrix = layer.weight.flatten(1)
        weight = matrix @ encoder.stem.weight[:, classes].flatten(1)
        bias = matrix @ encoder.stem.bias
        if layer.bias is not None:
            bias = bias + layer.bias
        weight, bias, inputs = (x.bfloat16() for x in (weight.view(-1, 2, 7, 7), bias, maps[None]))
        assert torch.equal(output, F.conv2d(inputs, weight, bias, stride=stride, padding=3))


def test_paper_sizes():
    """Channels of Table 8 and the parameter count of the released encoder for COCO."""
    encoder = LabelEncoder(80)
    count = sum(parameter.numel() for parameter in encoder.parameters())
    # Weights and biases of 18 convolutions and a stem, and 4 projections without bias.
    widths, total, in_channels = (256, 512, 1024, 2048), 80 * 128 * 49 + 128, 128
    for width, blocks in zip(widths, (1, 2, 2, 1)):
        mid = width // 4
        for block in range(blocks):
            source = in_channels if block == 0 else width
            total += source * mid + mid + 9 * mid * mid + mid + mid * width + width
            total += source * width if block == 0 else 0
        in_channels = width
    assert count == total
    assert round(count / 1e6, 2) == 9.91


def test_1203_classes_only_touch_those_present():
    encoder = LabelEncoder(1203, **SMALL)
    maps = draw_object_maps(torch.tensor([[2.0, 2, 20, 20]]), torch.tensor([1202]), (32, 32))
    assert maps[1].shape == (1, 32, 32)
    sum(output.sum() for output in encoder([maps])).backward()
    touched = encoder.stem.weight.grad.abs().sum((0, 2, 3)).nonzero().flatten()
    assert touched.tolist() == [1202]


def test_initialisation_bounds():
    torch.manual_seed(0)
    encoder = LabelEncoder(10, **SMALL)
    encoder.init_weights()
    for name, module in encoder.stages.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            bound = math.sqrt(3 / module.weight[0].numel())  # kaiming_uniform, a = 1
            assert bound * 0.8 < module.weight.abs().max() <= bound, name
            if module.bias is not None:
                assert module.bias.abs().max() <= 1 / math.sqrt(module.weight[0].numel())
    assert encoder.stem.weight.abs().max() <= 1 / math.sqrt(10 * 49)


@pytest.mark.parametrize(
    'options',
    [
        dict(num_classes=0),
        dict(num_classes=3, out_channels=(8, 8, 8)),
        dict(num_classes=3, out_channels=(6, 8, 8, 8)),
    ],
)
def test_bad_options_are_refused(options):
    with pytest.raises(ValueError):
        LabelEncoder(**options)
