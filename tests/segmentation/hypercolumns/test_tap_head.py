"""Sizes, losses and arguments that all heads on taps share, in the plainest of them."""

import pytest
import torch
from hypercolumn_models import CROSS_ENTROPY, VGG, K, batch, segmentor
from mmengine.structures import PixelData
from mmseg.registry import MODELS

HEADS = ['HypercolumnHead', 'FCNSkipHead']


def test_hard_pixels_of_mmseg_weigh_all_pixels_as_they_do_in_its_heads():
    hard = dict(type='OHEMPixelSampler', thresh=0.3, min_kept=50)
    model = segmentor(sampler=hard)
    images, samples = batch((32, 48))
    found = model.loss(images, samples)
    logits = model.encode_decode(images, [s.metainfo for s in samples])
    expected = model.decode_head.loss_by_feat(logits, samples)  # mmseg's own
    assert found.keys() == {f'decode.{key}' for key in expected}
    for key, value in expected.items():
        torch.testing.assert_close(found[f'decode.{key}'], value)
    assert model.decode_head.point_sampler is None


def test_sliding_windows_of_any_size():
    test_cfg = dict(mode='slide', crop_size=(30, 26), stride=(17, 13))
    model = segmentor(test_cfg=test_cfg).eval()
    images, samples = batch((43, 38), count=1)
    window = model.encode_decode(images[..., :30, :26], [dict(img_shape=torch.Size((30, 26)))])
    logits = model.inference(images, [samples[0].metainfo])
    assert logits.shape == (1, K, 43, 38)
    # The corner that only the first window covers.
    torch.testing.assert_close(logits[..., :13, :12], window[..., :13, :12])


def test_padded_input_is_scored_whole():
    model = segmentor().eval()
    images, _ = batch((48, 48), count=1)
    meta = dict(img_shape=(43, 38), ori_shape=(43, 38), pad_shape=(48, 48))
    assert model.encode_decode(images, [meta]).shape == (1, K, 48, 48)


def test_default_output_covers_the_finest_tap():
    model = segmentor(dict(VGG, taps=('conv2_1', 'conv4_1')))
    assert model(torch.randn(1, 3, 43, 38)).shape == (1, K, 42, 38)


@pytest.mark.parametrize('type', HEADS)
def test_losses_of_one_name_are_added_and_labels_of_another_field_are_learned(type):
    losses = [dict(CROSS_ENTROPY, loss_weight=weight) for weight in (1.0, 2.0)]
    images, samples = batch((32, 48))
    for sample in samples:
        sample.gt_edge_map = PixelData(data=(sample.gt_sem_seg.data == 1).long())
    found = []
    for loss_decode in (losses[0], losses):
        torch.manual_seed(0)
        targets = dict(type='LabelMapTargets', field='gt_edge_map')
        model = segmentor(type=type, loss_decode=loss_decode, targets=targets)
        found.append(model.loss(images, samples)['decode.loss_ce'])
    torch.testing.assert_close(found[1], 3 * found[0])
    logits = model.encode_decode(images, [s.metainfo for s in samples])
    edges = torch.cat([s.gt_edge_map.data for s in samples])
    torch.testing.assert_close(found[0], torch.nn.functional.cross_entropy(logits, edges))


@pytest.mark.parametrize('type', HEADS)
@pytest.mark.parametrize('given', [{}, dict(in_channels=(2, 8, 16)), dict(strides=(1, 4, 16))])
def test_missing_numbers_are_told_with_who_fills_them_in(type, given):
    head = dict(type=type, num_classes=K, loss_decode=CROSS_ENTROPY, **given)
    with pytest.raises(
        ValueError, match=f'{type} has in_channels=.*HypercolumnEncoderDecoder fills'
    ):
        MODELS.build(head)


def test_the_void_label_of_the_head_is_that_of_its_targets():
    model = segmentor(ignore_index=3)
    images, samples = batch((32, 48), void=-1)
    found = model.loss(images, samples)['decode.loss_ce']
    logits = model.encode_decode(images, [s.metainfo for s in samples])
    labels = torch.cat([s.gt_sem_seg.data for s in samples])
    expected = torch.nn.functional.cross_entropy(logits, labels, ignore_index=3)
    torch.testing.assert_close(found, expected)
    assert model.decode_head.targets.ignore_index == 3
    assert segmentor(VGG).decode_head.targets.ignore_index == 255
