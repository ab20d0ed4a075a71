"""A blank image of a size that a network takes, and the network as it was after it."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from torch import nn

from labelenc_mm.networks.blank_image import (
    image_sizes,
    measure_maps,
    pass_blank_image,
    undisturbed,
)
from labelenc_mm.networks.named_features import FeatureRecorder


class Picky(nn.Module):
    """Takes images whose (H, W) a function allows; its backbone may tell which."""

    def __init__(self, takes, data_preprocessor=None, test_cfg=None, **told):
        super().__init__()
        self.backbone = nn.Conv2d(1, 1, 1)
        self.takes, self.data_preprocessor, self.test_cfg = takes, data_preprocessor, test_cfg
        for name, value in told.items():
            setattr(self.backbone, name, value)

    def forward(self, image):
        size = tuple(image.shape[-2:])
        assert self.takes(*size), f'no {size}'
        return self.backbone(image), size


def only(*size):
    return lambda *found: found == size


@pytest.mark.parametrize(
    'model, expected',
    [
        (Picky(lambda height, width: True), (128, 128)),
        (Picky(only(90, 90), img_size=90), (90, 90)),
        (Picky(only(90, 70), pretrain_img_size=(70, 90)), (90, 70)),
        (Picky(only(90, 70), SimpleNamespace(size=(90, 70))), (90, 70)),
        (Picky(only(90, 70), test_cfg=dict(crop_size=(90, 70))), (90, 70)),
        (
            Picky(only(90, 70), SimpleNamespace(batch_augments=[SimpleNamespace(size=(90, 70))])),
            (90, 70),
        ),
        (Picky(lambda h, w: h % 100 == 0, SimpleNamespace(pad_size_divisor=100)), (200, 200)),
        (Picky(lambda h, w: h % (7 * 32) == 0), (224, 224)),
    ],
)
def test_first_size_that_is_taken(model, expected):
    image, (_, size) = pass_blank_image(model, model, 'remedy')
    assert size == expected and image.shape == (1, 1, *expected) and not image.any()


def test_pipelines_tell_sizes_in_both_orders():
    crop = dict(type='RandomCrop', crop_size=(90, 70))
    config = Config(dict(train_dataloader=dict(dataset=dict(dataset=dict(pipeline=[crop])))))
    sizes = image_sizes(nn.Conv2d(3, 1, 1), config)
    assert {(90, 70), (70, 90)} <= set(sizes) and sizes[0] == (128, 128)
    assert len(set(sizes)) == len(sizes)


def test_a_network_that_takes_none_is_told_with_the_first_reason_and_the_remedy():
    model = Picky(lambda height, width: False)
    message = (
        r'none of the .*\(128, 128\), .*\. Set x by hand\. The .*AssertionError: no \(128, 128\)'
    )
    with pytest.raises(ValueError, match=message):
        pass_blank_image(model, model, 'Set x by hand')


def test_a_feature_that_is_not_there_is_told_at_once_and_not_a_matter_of_sizes():
    model = Picky(lambda height, width: True)
    recorder = FeatureRecorder(model, ['backbone.1'])

    def run(image):
        with recorder.record():
            model(image)

    with pytest.raises(ValueError, match="^feature 'backbone.1': Conv2d has 1 outputs, 0 to 0$"):
        pass_blank_image(model, run, 'remedy')


def test_measured_channels_and_strides():
    model = Picky(only(90, 60), img_size=(90, 60))
    maps = [nn.AvgPool2d(3), nn.AvgPool2d(15), nn.AvgPool2d(90, ceil_mode=True)]
    run = lambda image: [pool(model(image)[0].expand(-1, 5, -1, -1)) for pool in maps]  # noqa: E731
    assert measure_maps(model, lambda x: run(x)[:2], 'remedy') == [(5, 3), (5, 15)]
    with pytest.raises(ValueError, match=r'map 2 of Picky has .* no whole stride. remedy'):
        measure_maps(model, run, 'remedy')


def test_a_stride_that_rounding_hides_is_found_with_a_second_image():
    """72 pixels are 3 cells of 24, or of 32 rounded up."""
    model = Picky(lambda height, width: True)
    pool = nn.AvgPool2d(32, ceil_mode=True)
    run = lambda image: [pool(model(image)[0])]  # noqa: E731
    assert measure_maps(model, run, '') == [(1, 32)]
    with pytest.raises(ValueError, match=r"map 'pooled' of Picky .*\(72, 72\), \(144, 144\)"):
        measure_maps(model, run, '', ['pooled'], [(72, 72)])


def test_nothing_is_disturbed():
    class Freezing(nn.Sequential):
        def train(self, mode=True):
            raise AssertionError

    model = Freezing(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(), nn.BatchNorm2d(4))
    model[3].training = False  # as frozen stages are
    before = {key: value.clone() for key, value in model.state_dict().items()}
    torch.manual_seed(1)
    with undisturbed(model):
        assert not any(module.training for module in model.modules())
        assert not model(torch.rand(1, 3, 4, 4)).requires_grad
    assert [module.training for module in model.modules()] == [True, True, True, True, False]
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.rand(1))
