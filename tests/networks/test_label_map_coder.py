"""The halves of the label autoencoder against plain forms of the paper's description."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from labelenc_mm.labels import one_hot_label_maps
from labelenc_mm.networks import LabelMapDecoder, LabelMapEncoder

CHANNELS = (4, 6, 8, 10, 12)


def maps(count=2, size=(32, 48), num_classes=5):
    labels = torch.randint(0, num_classes, (count, *size))
    labels[torch.rand(labels.shape) < 0.2] = 255
    return labels


def coders(num_classes=5, channels=CHANNELS, pool_last=False, **options):
    encoder = LabelMapEncoder(num_classes, channels, pool_last)
    decoder = LabelMapDecoder(num_classes, channels, pool_last, **options)
    for coder in (encoder, decoder):
        coder.init_weights()
        for conv in coder.convs:
            nn.init.normal_(conv.bias)  # zero at the start, which would hide a forgotten one
    return encoder, decoder


def plain_encoder(encoder, label_maps):
    """Five 3x3 convolutions with 2x2 max-pooling between them."""
    relu, pool = nn.ReLU(), nn.MaxPool2d(2, 2)
    c1, c2, c3, c4, c5 = encoder.convs
    layers = [c1, relu, pool, c2, relu, pool, c3, relu, pool, c4, relu, pool, c5, relu]
    if encoder.pool_last:
        layers.append(pool)
    return nn.Sequential(*layers)(one_hot_label_maps(label_maps, encoder.num_classes))


def plain_decoder(decoder, code):
    """The mirror image: 2x upsampling, then 3x3 convolution."""
    relu = nn.ReLU()
    align = None if decoder.upsample_mode == 'nearest' else False
    up = nn.Upsample(scale_factor=2, mode=decoder.upsample_mode, align_corners=align)
    d5, d4, d3, d2, d1 = decoder.convs
    layers = [d5, relu, up, d4, relu, up, d3, relu, up, d2, relu, up, d1]
    return nn.Sequential(*([up, *layers] if decoder.pool_last else layers))(code)


@pytest.mark.parametrize(('pool_last', 'stride'), [(False, 16), (True, 32)])
@pytest.mark.parametrize('mode', ['bilinear', 'nearest'])
def test_both_halves_equal_the_plain_form(pool_last, stride, mode):
    encoder, decoder = coders(pool_last=pool_last, upsample_mode=mode)
    label_maps = maps(size=(64, 96))
    code = encoder(label_maps)
    assert code.shape == (2, 12, 64 // stride, 96 // stride)
    assert encoder.stride == decoder.stride == stride
    torch.testing.assert_close(code, plain_encoder(encoder, label_maps), rtol=0, atol=0)
    logits = decoder(code)
    assert logits.shape == (2, 5, 64, 96)
    torch.testing.assert_close(logits, plain_decoder(decoder, code), rtol=0, atol=0)


def test_widths_of_the_papers_variants():
    """Sec. 3.1: named by the code's width; the decoder has them in reverse."""
    for channels in ((32,) * 5, (32, 128, 128, 128, 128), (32, 128, 128, 128, 256)):
        encoder, decoder = coders(21, channels)
        found = [(conv.in_channels, conv.out_channels) for conv in encoder.convs]
        assert found == list(zip((21, *channels), channels))
        mirrored = [(conv.in_channels, conv.out_channels) for conv in decoder.convs]
        assert mirrored == [pair[::-1] for pair in reversed(found)]


@pytest.mark.parametrize('size', [(33, 48), (1, 1), (47, 63), (64, 64)])
@pytest.mark.parametrize('pool_last', [False, True])
def test_any_size_is_the_top_left_part_of_maps_extended_by_void(size, pool_last):
    encoder, decoder = coders(pool_last=pool_last)
    label_maps = maps(size=size)
    code = encoder(label_maps)
    rows, columns = code.shape[-2:]
    assert encoder.code_size(size) == (rows, columns)
    stride = encoder.stride
    assert (rows - 1) * stride < size[0] <= rows * stride
    assert (columns - 1) * stride < size[1] <= columns * stride
    extended = torch.full((2, rows * stride, columns * stride), 255)
    extended[:, : size[0], : size[1]] = label_maps
    assert torch.equal(code, plain_encoder(encoder, extended))
    assert decoder(code, size).shape == (2, 5, *size)
    everything = decoder(code)
    assert torch.equal(decoder(code, size), everything[..., : size[0], : size[1]])


def test_void_pixels_are_no_class():
    """All of a map void: what the network gives for an input of zeros."""
    encoder, _ = coders()
    void = torch.full((1, 32, 32), 255)
    plain = F.relu(encoder.convs[0](torch.zeros(1, 5, 32, 32)))
    assert torch.equal(encoder.activations(void, 1)[0], plain)


def test_activations_are_after_relu_and_before_pooling():
    encoder, _ = coders()
    label_maps = maps()
    first, _, third = encoder.activations(label_maps, 3)
    c1, c2, c3 = encoder.convs[:3]
    one_hot = one_hot_label_maps(label_maps, 5)
    assert torch.equal(first, F.relu(c1(one_hot)))
    second = F.relu(c2(F.max_pool2d(first, 2)))
    assert torch.equal(third, F.relu(c3(F.max_pool2d(second, 2))))


@torch.no_grad()
@pytest.mark.parametrize('num_classes', [2, 21, 150])
def test_initial_activations_keep_their_scale(num_classes):
    """Variance 2 / fan-in, where one channel of a one-hot map counts: independent of K."""
    encoder, decoder = LabelMapEncoder(num_classes), LabelMapDecoder(num_classes)
    encoder.init_weights()
    decoder.init_weights()
    activations = encoder.activations(torch.randint(0, num_classes, (1, 64, 64)), 5)
    assert all(0.3 < float(a.square().mean().sqrt()) < 6 for a in activations)
    assert 0.05 < float(decoder(activations[-1]).std()) < 10


@pytest.mark.parametrize('coder', [LabelMapEncoder, LabelMapDecoder])
def test_one_class_and_odd_channels_are_refused(coder):
    with pytest.raises(ValueError, match='no structure to encode.*num_classes=2'):
        coder(1)
    coder(2)
    with pytest.raises(ValueError, match='channels must be'):
        coder(3, ())
    with pytest.raises(ValueError, match='channels must be'):
        coder(3, (8, 0))


def test_unknown_upsampling_is_refused():
    with pytest.raises(ValueError, match="'bilinear' or 'nearest', got 'cubic'"):
        LabelMapDecoder(3, upsample_mode='cubic')


@pytest.mark.parametrize('size', [(64, 96), (33, 47), (1, 1)])
@pytest.mark.parametrize('num_classes', [2, 21, 150])
def test_a_frozen_encoder_without_one_hot_maps_is_the_same_function(size, num_classes, monkeypatch):
    encoder, _ = coders(num_classes)
    label_maps = maps(size=size, num_classes=num_classes)
    label_maps[:, :1] = 255
    expected = encoder.activations(label_maps, 5)
    encoder.requires_grad_(False)
    monkeypatch.setattr('labelenc_mm.networks.label_map_coder.one_hot_label_maps', None)
    for found, dense in zip(encoder.activations(label_maps, 5), expected, strict=True):
        torch.testing.assert_close(found, dense, rtol=1e-4, atol=1e-5)
    with torch.autocast('cpu', torch.bfloat16):
        code = encoder(label_maps)
    torch.testing.assert_close(code.float(), expected[-1], rtol=0.1, atol=0.1)
    double = encoder.double()(label_maps)
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), expected[-1], rtol=1e-4, atol=1e-5)


def test_an_encoder_that_learns_has_gradients_of_the_first_convolution():
    encoder, _ = coders()
    encoder(maps()).sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in encoder.convs[0].parameters())
