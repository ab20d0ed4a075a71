"""Codes of regions: those of the encoder, or those that a segmentor predicts; and the data they come from."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import init_default_scope
from segmentation_models import (
    CHANNELS,
    build,
    build_autoencoder,
    encoder,
    features_of_heads,
    pointrend_model_config,
    random_maps,
    samples,
    segmentor_with,
    stock_model_config,
    write_autoencoder,
)
from segmentation_training import LEARN, NUM_IMAGES, write_config

from labelenc_mm.analysis.region_codes import EncodedLabelMaps, PredictedCodes, build_split


@pytest.fixture(scope='module')
def decoder(tmp_path_factory):
    path, _ = write_autoencoder(tmp_path_factory.mktemp('autoencoder') / 'a.safetensors')
    return dict(type='FrozenLabelDecoderHead', init_from=path, channels=CHANNELS)


def make_item(size, seen=None, seed=0, **meta):
    """A sample of a test pipeline: a label map of the file's size, an image that was resized."""
    (sample,) = samples(random_maps(1, size, seed=seed, void=0.3), **meta)
    seen = seen or size
    sample.set_metainfo(dict(img_shape=seen))
    generator = torch.Generator().manual_seed(seed)
    image = torch.randint(0, 256, (3, *seen), dtype=torch.uint8, generator=generator)
    return {'inputs': image, 'data_samples': sample}


@torch.no_grad()
@pytest.mark.parametrize(
    ('size', 'seen'), [((64, 80), None), ((50, 70), None), ((30, 100), (61, 45))]
)
def test_label_maps_are_encoded_at_the_size_of_the_networks_input(size, seen):
    network = build_autoencoder().encoder.eval()
    item = make_item(size, seen)
    regions = EncodedLabelMaps(network)({'data_samples': item['data_samples']})
    label_map = item['data_samples'].gt_sem_seg.data
    if seen:
        label_map = F.interpolate(label_map[None].float(), seen, mode='nearest')[0].long()
    code = network(label_map)[0]
    assert 0 < len(regions) < code[0].numel()  # void cells are not there
    for cell, found, labels in zip(regions.cells, regions.codes, regions.labels, strict=True):
        row, column = cell.tolist()
        assert torch.equal(found, code[:, row, column])
        part = label_map[0, row * 16 : row * 16 + 16, column * 16 : column * 16 + 16]
        part = torch.where(part == 255, -1, part)
        assert torch.equal(labels[: part.shape[0], : part.shape[1]].long(), part)


@torch.no_grad()
@pytest.mark.parametrize('kind', ['label_structure', 'list', 'auxiliary list'])
@pytest.mark.parametrize('divisor', [1, 32])
def test_images_give_the_code_that_the_first_branch_predicts(kind, divisor, decoder):
    segmentor, (name, *_) = segmentor_with(kind, decoder)
    segmentor.data_preprocessor.test_cfg = dict(size_divisor=divisor)
    coder = PredictedCodes(segmentor)
    assert (coder.name, coder.stride) == (name, 16)
    item = make_item((50, 90), (40, 72))
    regions = coder(item)
    batch = {'inputs': [item['inputs']], 'data_samples': [item['data_samples']]}
    inputs = segmentor.data_preprocessor(batch, False)['inputs']
    size = tuple(inputs.shape[-2:])
    assert size == ((40, 72) if divisor == 1 else (64, 96))
    if kind == 'auxiliary list':
        code = segmentor.auxiliary_head[1].predict_code(segmentor.extract_feat(inputs), size)[0]
    else:
        index = 1 if kind == 'list' else 0
        features = features_of_heads(segmentor, inputs)[index]
        code = segmentor.label_structure[index].predict_code(features, size)[0]
    for cell, found in zip(regions.cells.tolist(), regions.codes, strict=True):
        torch.testing.assert_close(found, code[:, cell[0], cell[1]])
    # Cells are those of the label map; of padding nothing is known.
    of_labels = EncodedLabelMaps(build_autoencoder().encoder.eval())(item)
    assert torch.equal(regions.cells, of_labels.cells)
    assert torch.equal(regions.labels, of_labels.labels)


@torch.no_grad()
def test_pointrend_gives_a_code(decoder):
    segmentor = build(pointrend_model_config(), {**decoder, 'features': 'backbone.3'}).eval()
    item = make_item((64, 96))
    regions = PredictedCodes(segmentor)(item)
    batch = {'inputs': [item['inputs']], 'data_samples': [item['data_samples']]}
    inputs = segmentor.data_preprocessor(batch, False)['inputs']
    feature = segmentor.backbone(inputs)[3]
    code = segmentor.label_structure[0].predict_code([feature], (64, 96))[0]
    assert len(regions) > 0
    for (row, column), found in zip(regions.cells.tolist(), regions.codes, strict=True):
        torch.testing.assert_close(found, code[:, row, column])


def test_segmentors_that_predict_no_code_are_refused(decoder):
    stock = stock_model_config('FCN')
    for head in (None, encoder(decoder)):
        with pytest.raises(ValueError, match='has no decoder branch.*Give config and checkpoint'):
            PredictedCodes(build(stock, head))
    with pytest.raises(ValueError, match='no learned label_structure, as an exported segmentor'):
        PredictedCodes(build(stock, {**decoder, 'init_from': None}))
    with pytest.raises(ValueError, match='no learned label_structure, as an exported segmentor'):
        PredictedCodes(build(stock, {**decoder, 'init_from': None, 'random_init': True}))


def test_flipped_samples_are_refused():
    with pytest.raises(ValueError, match=r'labels/0\.png: the test pipeline flips'):
        EncodedLabelMaps(build_autoencoder().encoder)(make_item((64, 64), flip=True))


def test_training_data_go_through_the_pipeline_of_validation(tmp_path):
    init_default_scope('mmseg')
    config = Config.fromfile(write_config(tmp_path / 'c.py', LEARN))
    sizes = {}
    for with_images in (False, True):
        dataset = build_split(config, 'train', with_images)
        assert len(dataset) == NUM_IMAGES
        item = dataset[2]
        assert 'images/train' in item['data_samples'].img_path
        assert tuple(item['inputs'].shape) == (3, 96, 96)  # neither cropped nor flipped
        assert bool(item['inputs'].any()) == with_images
        sizes[with_images] = item['data_samples'].gt_sem_seg.data
    assert torch.equal(sizes[False], sizes[True])

    plain = config.train_dataloader.dataset
    repeated = dict(type='RepeatDataset', times=3, dataset=plain)
    config.train_dataloader.dataset = dict(type='ConcatDataset', datasets=[repeated, plain])
    both = build_split(config, 'train', False)
    assert len(both) == 2 * NUM_IMAGES and both.metainfo['classes'] == dataset.metainfo['classes']
    assert not bool(both[NUM_IMAGES]['inputs'].any())


def test_data_that_are_not_there_are_refused(tmp_path):
    init_default_scope('mmseg')
    config = Config.fromfile(write_config(tmp_path / 'c.py', LEARN))
    config.val_dataloader.dataset.indices = 0
    with pytest.raises(ValueError, match='The data set of val_dataloader is empty'):
        build_split(config, 'val', False)
    config.train_dataloader = None
    with pytest.raises(ValueError, match='The config has no train_dataloader'):
        build_split(config, 'train', False)


def test_parts_of_other_palettes_are_one_data_set_and_those_of_other_classes_are_not(tmp_path):
    init_default_scope('mmseg')
    config = Config.fromfile(write_config(tmp_path / 'c.py', LEARN))
    part = config.train_dataloader.dataset
    changes = {'palette': [[1, 2, 3]] * len(part.metainfo.classes)}
    other = {**part, 'metainfo': {**part.metainfo, **changes}}
    config.train_dataloader.dataset = dict(
        type='ConcatDataset', datasets=[part, other], ignore_keys=['palette']
    )
    assert len(build_split(config, 'train', False)) == 2 * NUM_IMAGES
    other['metainfo']['classes'] = (*part.metainfo.classes[:-1], 'x')
    config.train_dataloader.dataset.datasets = [part, other]
    with pytest.raises(ValueError, match='does not match meta information'):
        build_split(config, 'train', False)
