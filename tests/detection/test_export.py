"""The stock detector that a training leaves behind."""

import dataclasses

import pytest
import torch
from detection_models import SMALL_ENCODER, small_model_config
from mmdet.apis import DetInferencer
from mmdet.models.backbones import ResNet
from mmdet.models.necks import FPN
from mmdet.registry import MODELS
from mmengine.config import Config
from mmengine.registry import init_default_scope

from labelenc_mm.detection import LabelEncHook, export_detector, stock_config, stock_state_dict
from labelenc_mm.handover.export import Exporter, ExportError


def training_config():
    config = Config.fromstring(
        "_base_ = 'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py'", file_format='.py'
    )
    config.model = small_model_config(3)
    config.merge_from_dict(
        dict(
            model=dict(
                type='LabelEncRetinaNet',
                labelenc=dict(stage='autoencode', encoder=SMALL_ENCODER),
            ),
            default_hooks=dict(reseed=dict(type='ReseedHook'), labelenc=dict(type='LabelEncHook')),
            custom_hooks=[dict(type='NumClassCheckHook'), dict(type='LabelEncHook')],
            custom_imports=dict(imports=['labelenc_mm', 'json'], allow_failed_imports=False),
            model_wrapper_cfg=dict(type='CPUCapableDistributedDataParallel'),
            val_cfg=dict(type='LabelEncValLoop'),
        )
    )
    return config


@pytest.fixture
def trained():
    config = training_config()
    init_default_scope('mmdet')
    model = MODELS.build(config.model)
    model.init_weights()
    return config, model.state_dict()


def test_stock_config_has_nothing_of_ours_and_all_of_theirs():
    stock = stock_config(training_config())
    assert 'labelenc' not in stock.pretty_text.lower()
    assert stock.model.type == 'RetinaNet'
    assert stock.custom_imports.imports == ['json']
    assert [hook.type for hook in stock.custom_hooks] == ['NumClassCheckHook']
    assert 'checkpoint' in stock.default_hooks and 'reseed' not in stock.default_hooks
    assert stock.val_cfg.type == 'ValLoop'
    assert 'model_wrapper_cfg' not in stock


@pytest.mark.parametrize(
    'model, hook',
    [
        ('mmdet.LabelEncRetinaNet', 'mmdet.LabelEncHook'),
        ('labelenc_mm.detection.LabelEncRetinaNet', 'labelenc_mm.detection.LabelEncHook'),
        (MODELS.get('LabelEncRetinaNet'), LabelEncHook),
    ],
)
def test_types_may_be_paths_or_classes(trained, tmp_path, model, hook):
    config, state_dict = trained
    config.model.type = model
    config.model.neck.type = FPN
    config.default_hooks.labelenc.type = hook
    out = export_detector(config, state_dict, str(tmp_path / 'd.pth'))
    stock = Config.fromstring(torch.load(out, weights_only=True)['meta']['cfg'], '.py')
    assert stock.model.type == 'RetinaNet' and 'labelenc' not in stock.default_hooks
    assert MODELS.get(stock.model.neck.type) is FPN


def test_a_detector_on_a_backbone_of_ours_is_exported_with_the_import_that_it_needs(tmp_path):
    """And without looking for the weights that its training started from."""
    config = training_config()
    weights = dict(type='Pretrained', checkpoint='package://no-such-weights')
    config.model.backbone = dict(type='EfficientNetLite', frozen_stages=2, init_cfg=weights)
    config.model.neck.in_channels = [24, 40, 112, 320]
    init_default_scope('mmdet')
    state_dict = MODELS.build(config.model).state_dict()
    out = export_detector(config, state_dict, str(tmp_path / 'd.pth'))
    checkpoint = torch.load(out, weights_only=True)
    stock = Config.fromstring(checkpoint['meta']['cfg'], '.py')
    assert stock.custom_imports.imports == ['labelenc_mm', 'json']
    assert stock.model.type == 'RetinaNet' and 'labelenc' not in stock.model
    assert stock.val_cfg.type == 'ValLoop' and 'labelenc' not in stock.default_hooks
    detector = MODELS.build(stock.model)
    detector.load_state_dict(checkpoint['state_dict'], strict=True)
    assert torch.equal(detector.backbone.stem.conv.weight, state_dict['backbone.stem.conv.weight'])


def test_a_data_preprocessor_beside_the_model_is_its_own(trained, tmp_path):
    config, state_dict = trained
    config.data_preprocessor = config.model.pop('data_preprocessor')
    out = export_detector(config, state_dict, str(tmp_path / 'd.pth'))
    stock = Config.fromstring(torch.load(out, weights_only=True)['meta']['cfg'], '.py')
    assert stock.model.data_preprocessor == config.data_preprocessor


def test_exported_file_is_the_stock_detector(trained, tmp_path):
    config, state_dict = trained
    out = export_detector(
        config, state_dict, str(tmp_path / 'x' / 'd.pth'), dict(classes=('a', 'b', 'c'))
    )
    checkpoint = torch.load(out, weights_only=True)  # PyTorch's own rules: plain types alone
    assert checkpoint['meta']['dataset_meta'] == {'classes': ('a', 'b', 'c')}
    stock = MODELS.build(small_model_config(3))
    assert set(checkpoint['state_dict']) == set(stock.state_dict())
    stock.load_state_dict(checkpoint['state_dict'], strict=True)
    for key, value in stock.state_dict().items():
        assert torch.equal(value, state_dict[key])
    # Version numbers, by which modules rename keys of older checkpoints, stay with them.
    versions = checkpoint['state_dict']._metadata
    assert versions['backbone.bn1'] == state_dict._metadata['backbone.bn1']
    assert not any(key.startswith('labelenc') for key in versions)


def test_exported_file_works_in_the_toolboxs_inferencer(trained, tmp_path):
    config, state_dict = trained
    out = export_detector(
        config, state_dict, str(tmp_path / 'd.pth'), dict(classes=('a', 'b', 'c'))
    )
    inferencer = DetInferencer(weights=out, device='cpu', show_progress=False)
    assert type(inferencer.model).__name__ == 'RetinaNet'
    assert inferencer.model.dataset_meta['classes'] == ('a', 'b', 'c')


def test_comparison_is_deterministic_and_leaves_the_settings_of_the_process(
    trained, tmp_path, monkeypatch
):
    """cuDNN may choose another algorithm for the same convolution the second time."""
    cudnn = torch.backends.cudnn
    monkeypatch.setattr(cudnn, 'benchmark', True)
    monkeypatch.setattr(cudnn, 'deterministic', False)
    settings = []

    def run(*args):
        settings.append((cudnn.deterministic, cudnn.benchmark))
        return export_detector.run(*args)

    config, state_dict = trained
    dataclasses.replace(export_detector, run=run)(config, state_dict, str(tmp_path / 'd.pth'))
    assert settings == [(True, False)] * 4  # two detectors, two images
    assert (cudnn.deterministic, cudnn.benchmark) == (False, True)

    def fail(*args):
        raise MemoryError

    failing = dataclasses.replace(export_detector, run=fail)
    with pytest.raises(MemoryError):
        failing(config, state_dict, str(tmp_path / 'd.pth'))
    assert (cudnn.deterministic, cudnn.benchmark) == (False, True)


def test_a_wrong_export_is_refused_and_leaves_the_old_file(trained, tmp_path, monkeypatch):
    config, state_dict = trained
    out = tmp_path / 'd.pth'
    out.write_bytes(b'old')
    incomplete = {k: v for k, v in state_dict.items() if k != 'bbox_head.retina_cls.bias'}
    with pytest.raises(ExportError, match='retina_cls.bias'):
        export_detector(config, incomplete, str(out))

    def lossy(exporter, config, weights):
        stock = stock_state_dict(weights)
        stock['bbox_head.retina_cls.bias'] = stock['bbox_head.retina_cls.bias'] + 1
        return stock

    monkeypatch.setattr(Exporter, 'stock_state_dict', lossy)
    with pytest.raises(ExportError, match='retina_cls.bias differs'):
        export_detector(config, state_dict, str(out))

    def other_backbone_mode(exporter, config):
        stock = stock_config(config)
        stock.model.backbone.style = 'caffe'
        stock.model.neck.upsample_cfg = dict(mode='bilinear')
        return stock

    monkeypatch.undo()
    monkeypatch.setattr(Exporter, 'stock_config', other_backbone_mode)
    with pytest.raises(ExportError, match='does not predict the same'):
        export_detector(config, state_dict, str(out))
    assert out.read_bytes() == b'old'
    assert [path.name for path in tmp_path.iterdir()] == ['d.pth']


@pytest.mark.parametrize('channels', [1, 4])
def test_images_of_other_channels(channels, tmp_path):
    config = training_config()
    config.model.backbone.update(in_channels=channels)
    config.model.data_preprocessor = dict(type='DetDataPreprocessor')
    init_default_scope('mmdet')
    state_dict = MODELS.build(config.model).state_dict()
    out = export_detector(config, state_dict, str(tmp_path / 'detector.pth'))
    conv = torch.load(out, weights_only=True)['state_dict']['backbone.conv1.weight']
    assert conv.shape[1] == channels


def test_backbones_of_one_size(tmp_path):
    class OneSize(ResNet):
        def __init__(self, img_size, **kwargs):
            super().__init__(**kwargs)
            self.img_size = img_size

        def forward(self, x):
            assert tuple(x.shape[-2:]) == (self.img_size, self.img_size)
            return super().forward(x)

    MODELS.register_module(module=OneSize, force=True)
    config = training_config()
    config.model.backbone.update(type='OneSize', img_size=160)
    init_default_scope('mmdet')
    state_dict = MODELS.build(config.model).state_dict()
    out = export_detector(config, state_dict, str(tmp_path / 'detector.pth'))
    assert 'bbox_head.retina_cls.bias' in torch.load(out, weights_only=True)['state_dict']


def test_fast_rcnn_which_has_no_proposals_of_its_own(tmp_path):
    config = Config.fromstring(
        "_base_ = 'mmdet::fast_rcnn/fast-rcnn_r50_fpn_1x_coco.py'", file_format='.py'
    )
    config.model.backbone.update(depth=18, base_channels=8, init_cfg=None)
    config.model.neck.update(in_channels=[8, 16, 32, 64], out_channels=16)
    config.model.roi_head.bbox_roi_extractor.out_channels = 16
    config.model.roi_head.bbox_head.update(in_channels=16, fc_out_channels=16)
    config.model.update(
        type='LabelEncFastRCNN', labelenc=dict(stage='autoencode', encoder=SMALL_ENCODER)
    )
    init_default_scope('mmdet')
    state_dict = MODELS.build(config.model).state_dict()
    out = export_detector(config, state_dict, str(tmp_path / 'detector.pth'))
    exported = torch.load(out, weights_only=True)['state_dict']
    assert set(exported) == {key for key in state_dict if not key.startswith('labelenc.')}
