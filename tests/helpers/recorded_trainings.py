"""Short trainings of shipped configs on fixed seeds: what they log and what they leave, as recorded.

    python tests/helpers/recorded_trainings.py    records them anew, where a change is meant

Bits are of one kind of machine: a probe of the arithmetic says whether the record is of such a one.
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from safetensors.torch import load_file
from training_runs import ROOT, train

from labelenc_mm.shape_scenes import write_shape_scenes

RECORD = Path(__file__).with_suffix('.json')
_UNTIMED = ('time', 'data_time', 'memory', 'eta')
_DETECTION = 'labelenc/demo/retinanet_efficientnet-lite0_shapes'
_SEGMENTATION = 'label_structure/demo/upernet_efficientnet-lite0_shapes'
_VOC12 = 'label_structure/voc12'
_CODE = {'model.label_structure.init_from': '{autoencoder}/label_autoencoder.safetensors'}
_VOC12_CODE = {
    'model.label_structure.init_from': '{voc12-autoencoder}/label_autoencoder.safetensors'
}
# Name -> config and options; {name} is the work dir of an earlier one.
TRAININGS = {
    'baseline': (_DETECTION, {}),
    'step1': (f'{_DETECTION}_labelenc-step1', {}),
    'step2': (
        f'{_DETECTION}_labelenc-step2',
        {'model.labelenc.init_from': '{step1}/label_encoding.safetensors'},
    ),
    'reconstruction': (f'{_DETECTION}_labelenc-step1', {'model.labelenc.joint': 'False'}),
    'autoencoder': ('label_structure/demo/autoencoder_shapes', {}),
    'decoder': (f'{_SEGMENTATION}_decoder', _CODE),
    'voc12-autoencoder': (f'{_VOC12}/label-autoencoder-32_1xb6-10e_voc12-96x96', {}),
    'voc12-hypercolumn': (f'{_VOC12}/hypercolumn_vgg16-narrow_1xb6-10e_voc12-96x96', {}),
    'voc12-decoder': (
        f'{_VOC12}/hypercolumn_vgg16-narrow_label-decoder-32_1xb6-10e_voc12-96x96',
        _VOC12_CODE,
    ),
    'voc12-encoder': (
        f'{_VOC12}/hypercolumn_vgg16-narrow_label-encoder-32_1xb6-10e_voc12-96x96',
        _VOC12_CODE,
    ),
}
# Models of configs that are too large to train here: config and what differs.
_POINTS = dict(mlp_channels=[64, 32], num_points=100, hypercolumn_dropout=0.1, point_border=4)
MODELS = {
    'vgg16': ('label_structure/hypercolumn_vgg16_1xb12-100e_voc12-256x256', {}),
    'vgg16-points': ('label_structure/hypercolumn_vgg16_1xb12-100e_voc12-256x256', _POINTS),
    'vgg16-chunks': (
        'label_structure/hypercolumn_vgg16_1xb12-100e_voc12-256x256',
        dict(mlp_channels=[64, 32], test_chunk=1000, test_stride=2, tap_norm_cfg=dict(type='BN')),
    ),
    'densenet67': ('label_structure/hypercolumn_densenet67_1xb12-100e_voc12-256x256', {}),
    'fcn': ('label_structure/fcn_vgg16_1xb12-100e_voc12-256x256', {}),
}


def pass_all():
    """Losses, gradients and scores of all models on random images, by name."""
    return {name: _pass(*values) for name, values in MODELS.items()}


def _pass(config, options):
    from mmseg.registry import MODELS as models
    from mmseg.structures import SegDataSample

    init_default_scope('mmseg')
    config = Config.fromfile(ROOT / 'configs' / f'{config}.py')
    config.merge_from_dict({f'model.decode_head.{key}': value for key, value in options.items()})
    torch.manual_seed(0)
    model = revert_sync_batchnorm(models.build(config.model))
    model.init_weights()
    images = torch.rand(2, 3, 70, 90)
    label_maps = torch.randint(0, 21, (2, 1, 70, 90))
    label_maps[:, :, :9] = 255
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label_map)) for label_map in label_maps]
    model.train()
    losses = model.loss(images, samples)
    model.parse_losses(losses)[0].backward()
    gradients = {k: p.grad for k, p in model.named_parameters() if p.grad is not None}
    with torch.no_grad():
        meta = dict(img_shape=(70, 90), ori_shape=(70, 90))
        scores = model.eval().encode_decode(images, [meta] * 2)
    return {
        'losses': {key: value.tolist() for key, value in losses.items()},
        'gradients': _digest(gradients),
        'scores': _digest({'scores': scores}),
    }


def run_all(folder):
    """Run all trainings below a folder; what each logged and left, by name."""
    _write_data(folder)
    folders, results = {}, {}
    for name, (config, options) in TRAININGS.items():
        folders[name] = folder / name
        values = {key: value.format(**folders) for key, value in options.items()}
        config = ROOT / 'configs' / f'{config}.py'
        run = train(config, folders[name], *_options(folder, config, values), timeout=600)
        results[name] = {'log': _log(run), 'files': _files(folders[name])}
    return results


def probe():
    """A digest of arithmetic that differs between kinds of processors and builds of torch."""
    generator = torch.Generator().manual_seed(0)
    image, weight = (torch.randn(s, generator=generator) for s in ((2, 16, 31, 33), (24, 16, 3, 3)))
    image.requires_grad_()
    weight.requires_grad_()
    values = torch.nn.functional.conv2d(image, weight, padding=1).relu().softmax(1)
    values.square().mean().backward()
    product = values.detach().flatten(2) @ values.detach().flatten(2).mT
    return _digest({'image': image.grad, 'weight': weight.grad, 'product': product})


def _write_data(folder):
    """Shape scenes as they are, and as PASCAL VOC 2012 lies in ``data/voc12``."""
    write_shape_scenes(folder / 'shapes', num_train=8, num_val=4, size=(96, 96), progress=False)
    voc12 = write_shape_scenes(
        folder / 'voc12', num_train=12, num_val=4, size=(96, 96), image_format='jpg', progress=False
    )
    for split in ('train', 'val'):
        names = sorted(path.stem for path in (voc12 / 'labels' / split).glob('*.png'))
        (voc12 / f'{split}.txt').write_text('\n'.join(f'{split}/{name}' for name in names))


def _options(folder, config, values):
    """Two epochs on the data below ``folder``, every iteration in the log."""
    config = Config.fromfile(config)
    root = folder / Path(config.train_dataloader.dataset.data_root).name
    values = {
        **{f'{key}_dataloader.dataset.data_root': f'{root}/' for key in ('train', 'val', 'test')},
        **{f'{key}_dataloader.num_workers': 0 for key in ('train', 'val', 'test')},
        **{f'{key}_dataloader.persistent_workers': False for key in ('train', 'val', 'test')},
        'train_cfg.max_epochs': 4,
        'train_cfg.val_interval': 4,
        'param_scheduler.1.end' if config.default_scope == 'mmdet' else 'param_scheduler.0.end': 4,
        'default_hooks.logger.interval': 1,
        'default_hooks.checkpoint.interval': 4,
        **values,
    }
    if config.default_scope == 'mmdet':
        ann_file = root / 'annotations' / 'val.json'
        values.update({f'{key}_evaluator.ann_file': ann_file for key in ('val', 'test')})
    return [f'{key}={value}' for key, value in values.items()]


def _log(run):
    """What every entry of the log says, but for times."""
    return [
        {key: value for key, value in entry.items() if key not in _UNTIMED}
        for entry in run.scalars()
    ]


def _files(work_dir):
    """Names and digests of the tensors in what a training leaves for others."""
    files = {}
    for path in sorted(work_dir.glob('*.safetensors')):
        files[path.name] = load_file(path)
    for path in sorted(work_dir.glob('exported_*.pth')):
        files[path.name] = torch.load(path, weights_only=True)['state_dict']
    return {name: _digest(tensors) for name, tensors in files.items()}


def _digest(tensors):
    """A digest of names, shapes, types and bits of tensors."""
    digest = hashlib.sha256()
    for key in sorted(tensors):
        tensor = tensors[key].detach().contiguous()
        digest.update(f'{key} {tuple(tensor.shape)} {tensor.dtype}\n'.encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


if __name__ == '__main__':
    with tempfile.TemporaryDirectory() as temporary:
        trainings = run_all(Path(temporary))
    content = {'probe': probe(), 'trainings': trainings, 'models': pass_all()}
    RECORD.write_text(json.dumps(content, indent=1) + '\n')
    sys.stdout.write(f'{RECORD}\n')
