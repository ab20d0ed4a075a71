"""The label autoencoder as a segmentor: from the ground truth alone."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmseg.evaluation import IoUMetric
from segmentation_models import NUM_CLASSES, build_autoencoder, random_maps, samples


def batch(autoencoder, maps, training=True):
    """As a pipeline without images gives it."""
    images = [torch.zeros(3, *label_map.shape, dtype=torch.uint8) for label_map in maps]
    return autoencoder.data_preprocessor(
        {'inputs': images, 'data_samples': samples(maps)}, training
    )


def test_loss_is_the_cross_entropy_of_the_labelled_pixels():
    autoencoder = build_autoencoder()
    maps = random_maps(3)
    losses = autoencoder(**batch(autoencoder, maps), mode='loss')
    logits = autoencoder.decoder(autoencoder.encoder(maps))
    valid = maps != 255
    picked = logits.log_softmax(1).permute(0, 2, 3, 1)[valid]
    expected = -picked[torch.arange(len(picked)), maps[valid]].mean()
    torch.testing.assert_close(losses['loss_ce'], expected)
    hits = (logits.argmax(1) == maps)[valid].float().mean()
    torch.testing.assert_close(losses['acc_seg'], 100 * hits.reshape(1))
    losses['loss_ce'].backward()
    assert all(p.grad is not None and p.grad.any() for p in autoencoder.parameters())


@pytest.mark.parametrize('void', [0, 200])
def test_void_may_have_another_label(void):
    """It is no part of the input or of the loss, as 255 is where nothing is said."""
    usual, other = build_autoencoder(), build_autoencoder(ignore_index=void)
    other.load_state_dict(usual.state_dict())
    maps = random_maps(2)
    maps[maps == 0] = 255
    assert (maps == 255).any()
    losses = [
        autoencoder(**batch(autoencoder, labels), mode='loss')['loss_ce']
        for autoencoder, labels in ((usual, maps), (other, maps.where(maps != 255, void)))
    ]
    assert torch.equal(*losses)


def test_images_and_their_size_play_no_part():
    autoencoder = build_autoencoder()
    data = batch(autoencoder, random_maps(2))
    first = autoencoder(**data, mode='loss')
    data['inputs'] = torch.full((2, 1, 3, 3), float('nan'))
    assert torch.equal(autoencoder(**data, mode='loss')['loss_ce'], first['loss_ce'])
    maps = torch.cat([sample.gt_sem_seg.data for sample in data['data_samples']])
    logits = autoencoder(**data, mode='tensor')
    assert torch.equal(logits, autoencoder.encode_decode(maps))


@pytest.mark.parametrize('size', [{}, dict(size=None, size_divisor=None)])
def test_maps_of_different_sizes_are_padded_with_void(size):
    """Also under the preprocessor of mmseg's base configs, which says no size."""
    preprocessor = dict(type='SegDataPreProcessor', seg_pad_val=255, **size) if size else None
    autoencoder = build_autoencoder(data_preprocessor=preprocessor)
    maps = [random_maps(1, (40, 64))[0], random_maps(1, (64, 33))[0]]
    data = batch(autoencoder, maps)
    padded = [F.pad(m, (0, 64 - m.shape[1], 0, 64 - m.shape[0]), value=255) for m in maps]
    logits = autoencoder.encode_decode(torch.stack(padded))
    expected = F.cross_entropy(logits, torch.stack(padded), ignore_index=255)
    torch.testing.assert_close(autoencoder(**data, mode='loss')['loss_ce'], expected)


def test_maps_without_a_labelled_pixel_give_zero_and_keep_the_graph():
    autoencoder = build_autoencoder()
    losses = autoencoder(**batch(autoencoder, torch.full((2, 32, 32), 255)), mode='loss')
    loss, log_vars = autoencoder.parse_losses(losses)
    assert loss == 0 and torch.isfinite(log_vars['acc_seg'])
    loss.backward()
    assert all(p.grad is not None and not p.grad.any() for p in autoencoder.parameters())


@pytest.mark.parametrize(
    'sizes', [((48, 64), (48, 64)), ((50, 70), (25, 35)), ((30, 40), (90, 80))]
)
def test_reconstruction_has_the_size_of_the_map_and_is_measured_by_the_iou_metric(sizes):
    """Encoded at the size of the network input, as the segmentor sees the image."""
    size, network_size = sizes
    autoencoder = build_autoencoder().eval()
    label_map = random_maps(1, size)[0]
    data = batch(autoencoder, [label_map], training=False)
    data['data_samples'][0].set_metainfo(dict(img_shape=network_size))
    (output,) = autoencoder(**data, mode='predict')
    rows, columns = (
        (np.arange(new) * old / new).astype(int)
        for old, new in zip(size, network_size, strict=True)
    )
    nearest = label_map[rows][:, columns]
    logits = autoencoder.encode_decode(nearest[None])
    if size != network_size:
        logits = F.interpolate(logits, size, mode='bilinear', align_corners=False)
    torch.testing.assert_close(output.seg_logits.data, logits[0])
    assert torch.equal(output.pred_sem_seg.data, logits.argmax(1))
    metric = IoUMetric(iou_metrics=['mIoU'])
    metric.dataset_meta = dict(classes=[str(index) for index in range(NUM_CLASSES)])
    metric.process({}, [output.to_dict()])
    valid = label_map != 255
    hits = (logits.argmax(1)[0] == label_map)[valid].float().mean()
    assert metric.evaluate(1)['aAcc'] == pytest.approx(100 * float(hits), abs=0.01)


def test_learns_to_reconstruct_a_map():
    autoencoder = build_autoencoder(channels=(16, 16, 16, 16, 16))
    data = batch(autoencoder, random_maps(1, (32, 32)))
    optimizer = torch.optim.Adam(autoencoder.parameters(), 0.005)
    for _ in range(150):
        optimizer.zero_grad()
        losses = autoencoder(**data, mode='loss')
        losses['loss_ce'].backward()
        optimizer.step()
    assert losses['acc_seg'] > 90


@pytest.mark.parametrize('mode', ['loss', 'predict', 'tensor'])
def test_faults_of_label_maps_name_the_file(mode):
    autoencoder = build_autoencoder()
    maps = random_maps(2)
    maps[1, 3, 4] = NUM_CLASSES
    data = batch(autoencoder, maps)
    with pytest.raises(ValueError, match=r'labels/1\.png has labels 5, .*Set model\.num_classes=6'):
        autoencoder(**data, mode=mode)
    for sample in data['data_samples']:
        del sample.gt_sem_seg
    with pytest.raises(ValueError, match=r'labels/0\.png: the sample has no label map.*LoadAnno'):
        autoencoder(**data, mode=mode)


def test_predicting_without_samples_is_refused():
    autoencoder = build_autoencoder()
    for mode in ('predict', 'tensor'):
        with pytest.raises(ValueError, match='ground truth and got no samples'):
            autoencoder(torch.zeros(1, 3, 8, 8), mode=mode)


def test_one_class_is_refused_and_two_work():
    with pytest.raises(ValueError, match='no structure to encode'):
        build_autoencoder(num_classes=1)
    autoencoder = build_autoencoder(num_classes=2)
    losses = autoencoder(**batch(autoencoder, random_maps(2, num_classes=2)), mode='loss')
    assert losses['loss_ce'] > 0


def test_squared_error_may_be_learned_instead():
    autoencoder = build_autoencoder(loss_decode=dict(type='OneHotMSELoss', loss_weight=2.0))
    maps = random_maps(2)
    losses = autoencoder(**batch(autoencoder, maps), mode='loss')
    probabilities = autoencoder.encode_decode(maps).softmax(1).permute(0, 2, 3, 1)
    valid = maps != 255
    error = probabilities[valid] - F.one_hot(maps[valid], NUM_CLASSES)
    torch.testing.assert_close(losses['loss_mse'], 2 * error.square().sum(1).mean())
    void = batch(autoencoder, torch.full((1, 16, 16), 255))
    assert autoencoder(**void, mode='loss')['loss_mse'] == 0


def test_a_loss_that_is_not_finite_stops_the_training():
    autoencoder = build_autoencoder()
    autoencoder.decoder.convs[0].weight.data[0, 0, 0, 0] = float('nan')
    losses = autoencoder(**batch(autoencoder, random_maps(1)), mode='loss')
    with pytest.raises(
        FloatingPointError, match='not finite on at least one process: loss, loss_ce'
    ):
        autoencoder.parse_losses(losses)
