"""Features by name: what the recorder hands out is what the model computed, once."""

import copy

import pytest
import torch
from torch import nn

from labelenc_mm.networks.named_features import FeatureError, FeatureRecorder


class Backbone(nn.Module):
    def __init__(self, taps=()):
        super().__init__()
        self.convs = nn.ModuleList([nn.Conv2d(3, 4, 3), nn.Conv2d(4, 6, 3)])
        if taps:
            self.taps = taps

    def forward(self, x):
        first = self.convs[0](x)
        return first, self.convs[1](first)


class Neck(nn.Module):
    def forward(self, features):
        return [2 * feature for feature in features]


class Head(nn.Module):
    def __init__(self, channels=6):
        super().__init__()
        self.dropout = nn.Dropout2d(0.5)
        self.conv_seg = nn.Conv2d(channels, 5, 1)
        self.runs = 0

    def forward(self, features):
        self.runs += 1
        return self.conv_seg(self.dropout(features[-1].relu()))


class Model(nn.Module):
    def __init__(self, taps=(), neck=True, stages=1):
        super().__init__()
        self.backbone = Backbone(taps)
        self.neck = Neck() if neck else None
        self.decode_head = Head() if stages == 1 else nn.ModuleList([Head() for _ in range(stages)])

    def forward(self, x):
        features = self.backbone(x)
        if self.neck is not None:
            features = self.neck(features)
        heads = (
            self.decode_head if isinstance(self.decode_head, nn.ModuleList) else [self.decode_head]
        )
        return [head(features) for head in heads]


def record(model, *names, image=None):
    recorder = FeatureRecorder(model, names)
    with recorder.record() as features:
        outputs = model(torch.rand(2, 3, 9, 9) if image is None else image)
    return features, outputs


def test_outputs_by_index_and_by_tap():
    model = Model(taps=('conv1', 'conv2_block.3')).eval()
    image = torch.rand(2, 3, 9, 9)
    names = ('backbone.0', 'backbone.-1', 'backbone.conv1', 'backbone.conv2_block.3', 'neck.1')
    features, _ = record(model, *names, image=image)
    first, second = model.backbone(image)
    assert torch.equal(features['backbone.0'], first)
    assert torch.equal(features['backbone.-1'], second)
    assert torch.equal(features['backbone.conv1'], first)
    assert torch.equal(features['backbone.conv2_block.3'], second)
    assert torch.equal(features['neck.1'], 2 * second)


def test_all_outputs_and_modules_inside():
    model = Model().eval()
    image = torch.rand(2, 3, 9, 9)
    names = ('backbone.*', 'neck.*', 'backbone.convs.0', 'backbone.output1')
    features, _ = record(model, *names, image=image)
    outputs = model.backbone(image)
    assert all(map(torch.equal, features['backbone.*'], outputs))
    assert all(map(torch.equal, features['neck.*'], [2 * output for output in outputs]))
    assert torch.equal(features['backbone.convs.0'], outputs[0])
    assert torch.equal(features['backbone.output1'], outputs[1])
    inside = FeatureRecorder(model.backbone, ['convs.1'], inside=True)
    with inside.record() as features:
        model(image)
    assert torch.equal(features['convs.1'], outputs[1])


def test_a_number_is_an_output_even_of_a_backbone_whose_modules_have_numbers():
    model = Model(neck=False).eval()
    model.backbone = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 6, 1))
    model.backbone.add_module('last', Neck())
    model.backbone.register_forward_hook(lambda *args: (args[2], 3 * args[2]))
    model.backbone.last = nn.Identity()
    image = torch.rand(1, 3, 9, 9)
    features, _ = record(model, 'backbone.1', 'backbone.last', image=image)
    assert torch.equal(features['backbone.1'], 3 * features['backbone.last'])


def test_modules_inside_run_once_and_keep_what_they_gave():
    model = Model().eval()
    convs = model.backbone.convs
    model.backbone.forward = lambda x: (convs[0](x).relu_(),) * 2
    model.decode_head = Head(4)
    with pytest.raises(FeatureError, match="'backbone.convs.0' is changed in place after"):
        record(model, 'backbone.convs.0')
    with pytest.raises(FeatureError, match="'backbone.convs.1': the model does not run its Conv2d"):
        record(model, 'backbone.convs.1')
    model.backbone.forward = lambda x: (convs[0](x), convs[0](x))
    with pytest.raises(FeatureError, match="'backbone.convs.0' runs more than once"):
        record(model, 'backbone.convs.0')


def test_classifier_feature_is_what_the_classifier_gets_dropout_included():
    model = Model()
    features, (logits,) = record(model, 'decode_head.classifier')
    assert torch.equal(model.decode_head.conv_seg(features['decode_head.classifier']), logits)
    assert model.decode_head.runs == 1
    assert FeatureRecorder(model, ['decode_head.classifier']).classifier_channels() == {
        'decode_head.classifier': 6
    }
    features['decode_head.classifier'].sum().backward()
    assert model.backbone.convs[0].weight.grad.any()


def test_stages_of_a_cascade():
    model = Model(stages=2)
    names = ('decode_head.0.classifier', 'decode_head.1.classifier', 'decode_head.classifier')
    features, logits = record(model, *names)
    first, second, last = (features[name] for name in names)
    assert torch.equal(model.decode_head[0].conv_seg(first), logits[0])
    assert torch.equal(model.decode_head[1].conv_seg(second), logits[1])
    assert last is second and not torch.equal(first, second)
    with pytest.raises(ValueError, match='the cascade has the stages 0, 1'):
        FeatureRecorder(model, ['decode_head.2.classifier'])
    with pytest.raises(ValueError, match='no cascade'):
        FeatureRecorder(Model(), ['decode_head.0.classifier'])


def test_nothing_is_left_behind_even_after_an_error():
    model = Model()
    recorder = FeatureRecorder(model, ['backbone.0', 'decode_head.classifier'])
    with pytest.raises(RuntimeError, match='stop'), recorder.record():
        raise RuntimeError('stop')
    with recorder.record():
        model(torch.rand(1, 3, 9, 9))
    hooks = [h for m in model.modules() for h in (*m._forward_hooks, *m._forward_pre_hooks)]
    assert hooks == []


def test_the_first_run_counts_and_a_copy_records_its_own():
    model = Model().eval()
    model.recorder = FeatureRecorder(model, ['backbone.0'])
    twin = copy.deepcopy(model)
    images = torch.rand(2, 1, 3, 9, 9)
    with twin.recorder.record() as features:
        model(images[1])
        twin(images[0])
        twin(images[1])
    assert torch.equal(features['backbone.0'], model.backbone(images[0])[0])


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('layer4', "'layer4' is unknown. Features are called 'backbone"),
        ('backbone', "'backbone' is unknown"),
        ('backbone.', "'backbone.' is unknown"),
        ('decode_head.0', "'decode_head.0' is unknown"),
        (3, '3 is unknown'),
        ('backbone.conv3', "no output or module 'conv3'; its taps are ['conv1', 'conv2']"),
        ('backbone.output0', "no output or module 'output0'; its taps are"),  # whose outputs?
        ('backbone.convs.2', "no output or module 'convs.2'"),
        ('neck.top', "no output or module 'top'; its outputs have no names"),
    ],
)
def test_unknown_names_are_refused_at_once(name, message):
    with pytest.raises(ValueError) as error:
        FeatureRecorder(Model(taps=['conv1', 'conv2']), [name])
    assert message in str(error.value)


def test_missing_parts_are_refused():
    with pytest.raises(ValueError, match="'neck.0': Model has no neck"):
        FeatureRecorder(Model(neck=False), ['neck.0'])
    model = Model()
    del model.decode_head.conv_seg
    with pytest.raises(ValueError, match='Head has no classifier layer conv_seg'):
        FeatureRecorder(model, ['decode_head.classifier'])


def test_missing_indices_and_features_that_are_no_maps_are_refused_by_the_pass():
    with pytest.raises(ValueError, match="'backbone.2': Backbone has 2 outputs, 0 to 1"):
        record(Model(), 'backbone.2')
    model = Model()
    model.backbone.forward = lambda x: (x.flatten(1), x)
    with pytest.raises(
        ValueError, match=r"'backbone.0' must be a \(N, C, h, w\) map, got \(2, 243\)"
    ):
        record(model, 'backbone.0')
    unused = FeatureRecorder(Model(), ['neck.0'])
    with (
        pytest.raises(ValueError, match="'neck.0': the model does not run its Neck"),
        unused.record(),
    ):
        pass
