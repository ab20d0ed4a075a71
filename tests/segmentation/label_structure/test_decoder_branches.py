"""What is predicted through the frozen decoders: from the segmentor's own pass, which stays as it is."""

import pytest
import torch
import torch.nn.functional as F
from segmentation_models import (
    CHANNELS,
    NUM_CLASSES,
    SIZE,
    SLIDE,
    build,
    data,
    encoder,
    plain_logits,
    random_maps,
    segmentor_with,
    stock_model_config,
    with_auxiliary,
    write_autoencoder,
)

from labelenc_mm.segmentation.label_structure.decoder_branches import DecoderBranches


@pytest.fixture(scope='module')
def decoder(tmp_path_factory):
    """Arguments of a decoder head that has learned something."""
    path, _ = write_autoencoder(tmp_path_factory.mktemp('autoencoder') / 'a.safetensors')
    return dict(type='FrozenLabelDecoderHead', init_from=path, channels=CHANNELS)


KINDS = ['label_structure', 'list', 'cascade', 'auxiliary', 'auxiliary list', 'both']


@torch.no_grad()
@pytest.mark.parametrize('kind', KINDS)
def test_predictions_through_the_decoder_and_unchanged_ones_beside_them(kind, decoder):
    segmentor, names = segmentor_with(kind, decoder)
    branches = DecoderBranches(segmentor)
    assert list(branches.heads) == names
    batch = data(segmentor, random_maps(2, (50, 70)), training=False)
    expected = segmentor(
        **data(segmentor, random_maps(2, (50, 70)), training=False), mode='predict'
    )
    passes = []
    handle = segmentor.backbone.register_forward_hook(lambda *args: passes.append(1))
    before = dict(vars(segmentor))
    with branches.record_inference() as record:
        results = segmentor(**batch, mode='predict')
    handle.remove()
    for result, reference in zip(results, expected, strict=True):
        assert torch.equal(result.seg_logits.data, reference.seg_logits.data)
    for index, result in enumerate(results):
        metainfo = {**result.metainfo, 'ori_shape': (25, 30)}  # as of a file that was resized
        predicted = branches.predict(record, index, metainfo)
        assert list(predicted) == names
        for name, sample in predicted.items():
            logits = plain_logits(segmentor, name, batch['inputs'])[index : index + 1]
            logits = F.interpolate(logits, (25, 30), mode='bilinear', align_corners=False)
            torch.testing.assert_close(sample.seg_logits.data, logits[0])
            assert torch.equal(sample.pred_sem_seg.data, logits[0].argmax(0, keepdim=True))
    assert len(passes) == 1
    assert vars(segmentor) == before and segmentor.out_channels == NUM_CLASSES


@torch.no_grad()
def test_auxiliary_heads_read_the_neck_where_there_is_one(decoder):
    model = with_auxiliary(
        stock_model_config('FCN'),
        dict(decoder, num_classes=NUM_CLASSES, in_channels=6, in_index=2),
    )
    model.neck = dict(type='FPN', in_channels=[8, 16, 32, 64], out_channels=6, num_outs=4)
    model.decode_head.in_channels = 6
    segmentor = build(model).eval()
    inputs = data(segmentor, training=False)['inputs']
    _, codes = DecoderBranches(segmentor).predict_codes(lambda: segmentor(inputs), SIZE)
    expected = segmentor.auxiliary_head.predict_code(segmentor.extract_feat(inputs), SIZE)
    assert torch.equal(codes['auxiliary_head'], expected)


@torch.no_grad()
@pytest.mark.parametrize('kind', ['label_structure', 'auxiliary list'])
def test_sliding_windows_are_averaged(kind, decoder):
    segmentor, (name,) = segmentor_with(kind, decoder, **SLIDE)
    branches = DecoderBranches(segmentor)
    inputs = data(segmentor, training=False)['inputs']
    batch = data(segmentor, training=False)
    expected = segmentor(**data(segmentor, training=False), mode='predict')
    with branches.record_inference() as record:
        results = segmentor(**batch, mode='predict')
    assert all(torch.equal(a.seg_logits.data, b.seg_logits.data) for a, b in zip(results, expected))
    total, count = torch.zeros(2, NUM_CLASSES, *SIZE), torch.zeros(SIZE)
    for y in (0, 24):
        for x in (0, 32):
            window = inputs[..., y : y + 40, x : x + 48]
            total[..., y : y + 40, x : x + 48] += plain_logits(segmentor, name, window)
            count[y : y + 40, x : x + 48] += 1
    assert len(record.windows) == 4 and bool((count > 0).all())
    for index, result in enumerate(results):
        sample = branches.predict(record, index, result.metainfo)[name]
        torch.testing.assert_close(sample.seg_logits.data, (total / count)[index])


@torch.no_grad()
def test_padding_is_cut_off_and_codes_of_half_precision_are_decoded(decoder):
    segmentor, (name,) = segmentor_with('label_structure', decoder)
    segmentor.data_preprocessor.test_cfg = dict(size_divisor=32)
    batch = data(segmentor, random_maps(1, (50, 70)), training=False)
    assert tuple(batch['inputs'].shape[-2:]) == (64, 96)
    branches = DecoderBranches(segmentor)
    with branches.record_inference() as record, torch.autocast('cpu', torch.bfloat16):
        (result,) = segmentor(**batch, mode='predict')
    assert record.windows[0][1][name].dtype == torch.bfloat16
    predicted = branches.predict(record, 0, result.metainfo)[name]
    logits = plain_logits(segmentor, name, batch['inputs'])[0, :, :50, :70]
    assert predicted.seg_logits.shape == (50, 70)
    torch.testing.assert_close(predicted.seg_logits.data, logits, atol=0.05, rtol=0.1)


@torch.no_grad()
def test_segmentor_with_one_output_channel(decoder, tmp_path):
    """Two classes by one logit; the decoder has two."""
    path, _ = write_autoencoder(tmp_path / 'a.safetensors', num_classes=2)
    model = stock_model_config('FCN')
    model.decode_head.update(
        num_classes=2, out_channels=1, loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True)
    )
    model.auxiliary_head = None
    model.test_cfg.update(SLIDE)
    segmentor = build(model, {**decoder, 'init_from': path}).eval()
    branches = DecoderBranches(segmentor)
    batch = data(segmentor, random_maps(2, num_classes=2), training=False)
    with branches.record_inference() as record:
        results = segmentor(**batch, mode='predict')
    sample = branches.predict(record, 1, results[1].metainfo)['label_structure']
    assert sample.seg_logits.data.shape == (2, *SIZE) and segmentor.out_channels == 1


def test_models_without_a_decoder_branch(decoder):
    for model in (build(stock_model_config('FCN')), torch.nn.Linear(1, 1)):
        assert DecoderBranches(model).heads == {}
    assert DecoderBranches(build(stock_model_config('FCN'), encoder(decoder))).heads == {}
