"""Whole trainings: a decoder from photos alone, then a segmentor that takes it over, as a user runs them."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mmseg
import numpy as np
import pytest
import torch
from denoising_training import (
    ARTEFACT,
    FINE_TUNE,
    KEEP,
    NUM_PHOTOS,
    PRETRAIN,
    is_encoder,
    shared_photos,
    shared_pretraining,
    write_config,
)
from mmengine.config import Config
from photo_files import truncate
from PIL import Image
from segmentation_training import AUTOENCODER, EXPORTED, SUPERVISE, shared_autoencoder
from training_runs import (
    ROOT,
    TEST,
    differing,
    run_script,
    shared_folder,
    train,
    weights,
    with_prefix,
)

from labelenc_mm.handover.artefact import load_tensors

STOCK_TRAIN = Path(mmseg.__file__).parent / '.mim' / 'tools' / 'train.py'
EXPORT = ROOT / 'tools' / 'export.py'
RANDOM = 'backbone is frozen at random weights'
ONE_EPOCH = ('train_cfg.max_epochs=1', 'train_cfg.val_interval=9')
FROZEN_IN_PLACE = 'optim_wrapper.optimizer.lr=0'


@pytest.fixture(scope='module')
def pretraining():
    return shared_pretraining()


@pytest.fixture(scope='module')
def artefact(pretraining):
    return pretraining.work_dir / ARTEFACT


def last_metrics(run):
    return [entry for entry in run.scalars() if 'denoising/mse' in entry][-1]


def first_and_last(run):
    return (weights(run.work_dir / f'{name}_rank0.pth') for name in ('first', 'last'))


def test_the_decoder_moves_and_the_encoder_does_not(pretraining):
    first, last = first_and_last(pretraining)
    moved = differing(first, last)
    assert not any(map(is_encoder, moved))
    still = set(first) - set(moved)
    assert all(map(is_encoder, still)), [key for key in still if not is_encoder(key)]


def test_what_is_left_is_the_segmentor_without_classifier(pretraining, artefact):
    _, last = first_and_last(pretraining)
    tensors, metadata = load_tensors(artefact)
    assert differing(tensors, {k: v for k, v in last.items() if 'conv_seg' not in k}) == []
    assert metadata == json.loads(artefact.with_suffix('.json').read_text())
    assert metadata['photos'] == NUM_PHOTOS and metadata['encoder'] == ['backbone']
    assert metadata['photo_sources'] == [f'{shared_photos()}/train']
    assert f'({metadata["kind"].removeprefix("labelenc_mm ")} ' not in pretraining.output
    assert f'(load_from, or LoadPretrainedSegmentor): {artefact}\n' in pretraining.output
    assert not list(artefact.parent.glob('exported*'))


def test_losses_metrics_and_pictures_are_logged(pretraining):
    entries = [entry for entry in pretraining.scalars() if 'loss_denoising' in entry]
    assert len(entries) == 3 * NUM_PHOTOS // 4
    assert all(0 < entry['linear_mse'] < 1 for entry in entries)
    metrics = last_metrics(pretraining)
    assert 0.5 < metrics['denoising/mse'] < 2
    # Noise of 13 gray levels: what restores next to nothing leaves it as it is.
    assert 20 < metrics['denoising/psnr_noisy'] < 30
    assert abs(metrics['denoising/psnr_restored'] - metrics['denoising/psnr_noisy']) < 1
    pictures = sorted(pretraining.work_dir.glob('*/vis_data/vis_image/val_denoising_*.png'))
    sizes = [Image.open(path).size for path in pictures]  # photos 0 and 2 of the validation
    assert sizes == [(3 * 64, 48), (3 * 47, 64)]
    clean = np.asarray(Image.open(pictures[0]).convert('RGB'))[:, :64].astype(int)
    photo = np.asarray(Image.open(shared_photos() / 'val' / '0' / 'photo 00.jpg')).astype(int)
    assert np.abs(clean - photo).max() <= 1


def test_variance_and_noise_of_the_first_batch_are_told_once(pretraining):
    log = pretraining.output
    found = re.findall(
        r'variance of ([\d., ]+) \(each channel\); .* of ([\d., ]+) gray levels', log
    )
    assert len(found) == 1
    noise = [float(value) for value in found[0][1].split(', ')]
    expected = np.sqrt(0.05 / 0.95) * np.array([58.395, 57.12, 57.375])
    np.testing.assert_allclose(noise, expected, atol=0.05)


def test_a_frozen_encoder_at_random_weights_is_told_and_one_with_weights_not(
    pretraining, artefact, tmp_path
):
    assert pretraining.output.count(RANDOM) == 1
    config = write_config(tmp_path / 'c.py', PRETRAIN, hooks=KEEP)
    path = tmp_path / 'encoder.pth'
    encoder = with_prefix(load_tensors(artefact)[0], 'backbone.')
    torch.save({key: value + 1 for key, value in encoder.items()}, path)
    whole = tmp_path / 'whole.pth'
    torch.save({f'backbone.{key}': value + 1 for key, value in encoder.items()}, whole)
    for index, options in enumerate(
        [
            [f'model.pretrained={path}'],
            [
                'model.backbone.init_cfg.type=Pretrained',
                f'model.backbone.init_cfg.checkpoint={path}',
            ],
            ['model.init_cfg.type=Pretrained', f'model.init_cfg.checkpoint={whole}'],
            [f'load_from={whole}'],
        ]
    ):
        run = train(config, tmp_path / str(index), *options, *ONE_EPOCH)
        assert RANDOM not in run.output, options
        _, last = first_and_last(run)
        found = with_prefix(last, 'backbone.')
        assert all(torch.equal(found[key], value + 1) for key, value in encoder.items()), options


def test_fine_tuning_begins_with_the_file_and_is_resumed_without(pretraining, tmp_path):
    copied = shutil.copy(pretraining.work_dir / ARTEFACT, tmp_path / ARTEFACT)
    config = write_config(tmp_path / 'c.py', FINE_TUNE, pretrained=copied, hooks=KEEP)
    run = train(config, tmp_path / 'run', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1')
    assert 'fresh: decode_head.conv_seg, auxiliary_head\n' in run.output
    tensors, _ = load_tensors(copied)
    first, last = first_and_last(run)
    assert differing({k: first[k] for k in tensors}, tensors) == []
    assert {key.split('.')[0] for key in set(first) - set(tensors)} == {
        'auxiliary_head',
        'decode_head',
    }
    assert set(differing(first, last)) == set(first)
    assert [entry['mIoU'] for entry in run.scalars() if 'mIoU' in entry]
    Path(copied).unlink()
    resumed = train(config, tmp_path / 'run', 'train_cfg.max_epochs=2', resume=True)
    assert 'Segmentor loaded from' not in resumed.output
    start = weights(tmp_path / 'run' / 'epoch_1.pth')
    assert differing(start, weights(tmp_path / 'run' / 'first_rank0.pth')) == []
    afresh = train(config, tmp_path / 'afresh', expect=1)
    assert f'LoadPretrainedSegmentor.checkpoint={copied}: no such file' in afresh.output


def test_another_decoder_or_target_is_refused_with_all_differences_before_the_first_iteration(
    artefact, tmp_path
):
    config = write_config(tmp_path / 'c.py', FINE_TUNE, pretrained=artefact, hooks='')
    widths = 'model.decode_head.channels_list=[16,12,8,6,4]'
    run = train(config, tmp_path / 'run', widths, expect=1)
    expected = [key for key in load_tensors(artefact)[0] if key.startswith('decode_head.blocks.4.')]
    differences = re.findall(r'\n  (\S+): shape ', run.output)
    counters = [key for key in expected if key.endswith('num_batches_tracked')]
    assert differences == [key for key in expected if key not in counters]
    assert 'Iter(train)' not in run.output
    target = 'custom_hooks.0.target=image'
    run = train(config, tmp_path / 'run', target, expect=1)
    assert 'target: "image" here, "noise" in the file' in run.output
    assert 'Iter(train)' not in run.output


CASCADE = """
heads = dict(channels=16, num_classes={num_classes}, norm_cfg=dict(type='BN'))
model = dict(
    type='CascadeEncoderDecoder',
    num_stages=2,
    backbone=dict(strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4)),
    decode_head=[
        dict(type='FCNHead', in_channels=32, in_index=2, num_convs=1, concat_input=False, **heads),
        dict(type='OCRHead', in_channels=64, in_index=3, ocr_channels=8, **heads),
    ],
)
"""


def test_a_pretrained_segmentor_learns_under_a_frozen_label_decoder(artefact, tmp_path):
    """Each takes its own file: the segmentor that of the photos, the frozen halves the autoencoder's."""
    autoencoder = shared_autoencoder().work_dir / AUTOENCODER
    config = write_config(
        tmp_path / 'c.py',
        SUPERVISE,
        FINE_TUNE,
        autoencoder=autoencoder,
        pretrained=artefact,
        hooks=KEEP,
    )
    run = train(config, tmp_path / 'run', *ONE_EPOCH)
    tensors, _ = load_tensors(artefact)
    first, last = first_and_last(run)
    assert differing({key: first[key] for key in tensors}, tensors) == []
    decoder = with_prefix(load_tensors(autoencoder)[0], 'decoder.')
    for state in (first, last):
        assert differing(with_prefix(state, 'label_structure.0.decoder.'), decoder) == []
    assert (run.work_dir / EXPORTED).is_file()


@pytest.mark.parametrize('stage', [0, 1])
def test_a_stage_of_a_cascade_is_pretrained_and_taken_over(stage, tmp_path):
    left = train(
        write_config(tmp_path / 'p.py', CASCADE, PRETRAIN),
        tmp_path / 'left',
        f'model.head={stage}',
        *ONE_EPOCH,
    )
    tensors, metadata = load_tensors(left.work_dir / ARTEFACT)
    assert metadata['head'] == stage
    config = write_config(
        tmp_path / 'f.py', CASCADE, FINE_TUNE, pretrained=left.work_dir / ARTEFACT, hooks=KEEP
    )
    run = train(config, tmp_path / 'run', *ONE_EPOCH)
    first, _ = first_and_last(run)
    assert differing({key: first[key] for key in tensors}, tensors) == []
    fresh = 'decode_head.1' if stage == 0 else 'decode_head.1.conv_seg'
    assert f'fresh: decode_head.0.conv_seg, {fresh}, auxiliary_head\n' in run.output


def test_averaged_weights_are_left_and_begin_with_what_was_loaded(tmp_path):
    ema = f"{KEEP}, dict(type='EMAHook', momentum=0.3)"
    run = train(write_config(tmp_path / 'p.py', PRETRAIN, hooks=ema), tmp_path / 'pretrain')
    tensors, _ = load_tensors(run.work_dir / ARTEFACT)
    averaged = weights(run.work_dir / 'epoch_3.pth')
    assert differing(tensors, {k: averaged[k] for k in tensors}) == []
    _, last = first_and_last(run)
    assert 'decode_head.blocks.0.conv1.conv.weight' in differing(tensors, last)
    path = write_config(tmp_path / 'f.py', FINE_TUNE, pretrained=run.work_dir / ARTEFACT, hooks=ema)
    tuned = train(path, tmp_path / 'tune', FROZEN_IN_PLACE, *ONE_EPOCH)
    averaged = weights(tuned.work_dir / 'epoch_1.pth')
    parameters = {k: v for k, v in tensors.items() if 'running_' not in k and 'num_b' not in k}
    assert differing(parameters, {k: averaged[k] for k in parameters}) == []


WORKERS = """
train_dataloader = dict(num_workers=2, persistent_workers=True)
"""
DAMAGED = """
train_dataloader = dict(dataset=dict(skip_damaged=True))
"""
UNIT_VARIANCE = """
model = dict(corruption=dict(gamma=0.9, unit_variance=True))
"""
RANGE = """
model = dict(corruption=dict(gamma=(0.1, 0.9)))
"""


def damaged_photos(tmp_path):
    photos = shutil.copytree(shared_photos(), tmp_path / 'photos')
    truncate(photos / 'train' / 'photo 03.jpg')
    return photos


@pytest.mark.parametrize(
    'parts',
    [(), (WORKERS, RANGE), (UNIT_VARIANCE,), (DAMAGED, WORKERS)],
    ids=['plain', 'workers and a range', 'unit variance', 'workers and damage'],
)
def test_a_resume_at_the_end_of_an_epoch_ends_bit_equal(parts, tmp_path):
    photos = damaged_photos(tmp_path) if DAMAGED in parts else shared_photos()
    config = write_config(tmp_path / 'c.py', PRETRAIN, *parts, photos=photos, hooks=KEEP)
    whole = train(config, tmp_path / 'whole')
    (tmp_path / 'resumed').mkdir()
    shutil.copy(whole.work_dir / 'epoch_1.pth', tmp_path / 'resumed')
    resumed = train(config, tmp_path / 'resumed', resume=True)
    assert 'resumed epoch: 1, iter: 2' in resumed.output
    assert RANDOM not in resumed.output
    ends = [weights(run.work_dir / 'epoch_3.pth') for run in (whole, resumed)]
    assert differing(*ends) == []
    begun = weights(whole.work_dir / 'epoch_1.pth')
    assert 'decode_head.conv_seg.conv.weight' in differing(begun, ends[0])
    metrics = [last_metrics(run) for run in (whole, resumed)]
    assert metrics[0]['denoising/mse'] == metrics[1]['denoising/mse']
    files = [load_tensors(run.work_dir / ARTEFACT)[1] for run in (whole, resumed)]
    assert files[0] == files[1]
    if UNIT_VARIANCE in parts:
        std = ends[0]['corruption.data_std']
        assert torch.equal(std, begun['corruption.data_std']) and std.min() > 0
        assert files[0]['corruption']['data_std'] == std.tolist()
    if DAMAGED in parts:
        for run, epochs in ((whole, 3), (resumed, 2)):
            assert run.output.count('1 photos could not be read in epoch ') == epochs
            assert run.output.count('photo 03.jpg') == epochs


def test_a_damaged_photo_ends_a_training_with_its_name(tmp_path):
    photos = damaged_photos(tmp_path)
    config = write_config(tmp_path / 'c.py', PRETRAIN, WORKERS, photos=photos)
    run = train(config, tmp_path / 'run', expect=1)
    assert f'{photos}/train/photo 03.jpg is truncated or no image' in run.output
    assert 'set skip_damaged=True of the data set' in run.output
    assert not (run.work_dir / ARTEFACT).exists()


def test_photos_of_several_sizes_are_validated_one_by_one(tmp_path):
    config = write_config(tmp_path / 'c.py', PRETRAIN)
    options = ['val_dataloader.batch_size=2', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1']
    run = train(config, tmp_path / 'run', *options, expect=1)
    assert 'PhotoError: val_dataloader has photos of several sizes in one batch' in run.output


def test_any_checkpoint_gives_the_file_that_the_training_left(tmp_path):
    config = write_config(tmp_path / 'c.py', PRETRAIN, UNIT_VARIANCE)
    run = train(config, tmp_path / 'run')
    again = tmp_path / 'again.pth'
    run_script(EXPORT, config, run.work_dir / 'epoch_3.pth', again, work_dir=tmp_path / 'tool')
    (tensors, metadata), (expected, facts) = map(load_tensors, (again, run.work_dir / ARTEFACT))
    assert differing(tensors, expected) == []
    assert metadata == facts and facts['photos'] == NUM_PHOTOS
    assert json.loads(again.with_suffix('.json').read_text()) == facts
    earlier = tmp_path / 'epoch_1_segmentor.pth'
    run_script(EXPORT, config, run.work_dir / 'epoch_1.pth', earlier, work_dir=tmp_path / 'tool')
    tensors, metadata = load_tensors(earlier)
    state = weights(run.work_dir / 'epoch_1.pth')
    assert metadata == facts
    assert differing(tensors, {key: state[key] for key in tensors}) == []
    for name in ('out.safetensors', 'out.onnx'):
        refused = run_script(
            EXPORT, config, run.work_dir / 'epoch_1.pth', tmp_path / name,
            work_dir=tmp_path / 'tool', expect=1,
        )  # fmt: skip
        assert 'a pretrainer predicts no classes' in refused.output
        assert 'give an OUT that ends in .pth' in refused.output
        assert not (tmp_path / name).exists()


def test_tools_test_measures_and_draws_a_checkpoint(pretraining, tmp_path):
    tested = run_script(
        TEST, shared_folder() / 'pretrain.py', pretraining.work_dir / 'epoch_3.pth',
        '--work-dir', tmp_path, '--show-dir', tmp_path / 'shown', work_dir=tmp_path,
    )  # fmt: skip
    metrics = last_metrics(pretraining)
    for name in ('mse', 'psnr_noisy', 'psnr_restored'):
        assert f'denoising/{name}: {metrics[f"denoising/{name}"]:.4f}' in tested.output
    assert len(list((tmp_path / 'shown').rglob('test_denoising_*.png'))) == 3


def test_another_noise_is_resumed_and_another_target_or_encoder_is_refused(pretraining, tmp_path):
    """What has the same tensors may go on; of other networks all differences are listed."""
    shutil.copy(pretraining.work_dir / 'epoch_1.pth', tmp_path / 'epoch_1.pth')
    config = shared_folder() / 'pretrain.py'
    options = ['model.corruption.sigma=0.8', 'model.corruption.form=simple']
    train(config, tmp_path, *options, *ONE_EPOCH, resume=True)
    run = train(config, tmp_path, 'model.target=image', *ONE_EPOCH, resume=True, expect=1)
    assert "is of a training of model.target='noise', this one has 'image'" in run.output
    options = ['model.corruption.gamma=0.9', 'model.corruption.unit_variance=True']
    run = train(config, tmp_path, *options, *ONE_EPOCH, resume=True, expect=1)
    assert 'is of another training' in run.output
    assert 'corruption.data_std: missing in the file' in run.output


def test_the_stock_tool_pretrains_with_the_lines_that_the_warning_names(tmp_path):
    config = write_config(tmp_path / 'c.py', PRETRAIN)

    def stock(path, folder):
        folder = tmp_path / folder
        return run_script(STOCK_TRAIN, path, '--work-dir', folder, work_dir=folder)

    run = stock(config, 'without')
    (lines,) = re.findall(
        r'DenoisingDecoderPretrainer trains without DenoisingHook and ReseedHook: .*\n((?:\w+ = .*\n)+)',
        run.output,
    )
    assert not (run.work_dir / ARTEFACT).exists()
    child = tmp_path / 'child.py'
    child.write_text(f"_base_ = './c.py'\n{lines}")
    run = stock(child, 'with')
    assert 'trains without' not in run.output and RANDOM in run.output
    assert (run.work_dir / ARTEFACT).is_file()


STOCK = """
model = dict(
    decode_head=dict(_delete_=True, type='FCNHead', in_channels=64, in_index=3, channels=16,
                     num_classes={num_classes}, norm_cfg=dict(type='BN')),
)
"""  # fmt: skip


def test_the_stock_toolbox_starts_from_the_file_without_this_package(tmp_path):
    """Its own tool, in a process that never imports us."""
    left = train(write_config(tmp_path / 'p.py', STOCK, PRETRAIN), tmp_path / 'left', *ONE_EPOCH)
    config = Config.fromfile(write_config(tmp_path / 'f.py', STOCK))
    for options, name in ((config, 'custom_imports'), (config.default_hooks, 'reseed')):
        options.pop(name)
    config.load_from = str(left.work_dir / ARTEFACT)
    config.train_cfg.update(max_epochs=1, val_interval=1)
    config.optim_wrapper.optimizer.lr = 0
    config.dump(str(tmp_path / 'stock.py'))
    code = (
        'import runpy, sys\n'
        'sys.argv = sys.argv[1:]\n'
        "runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "assert 'labelenc_mm' not in sys.modules\n"
    )
    command = [
        sys.executable, '-c', code, STOCK_TRAIN, tmp_path / 'stock.py', '--work-dir', tmp_path / 'run'
    ]  # fmt: skip
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    trained = weights(tmp_path / 'run' / 'epoch_1.pth')
    tensors, _ = load_tensors(left.work_dir / ARTEFACT)
    parameters = {k: v for k, v in tensors.items() if 'running_' not in k and 'num_b' not in k}
    assert differing(parameters, {k: trained[k] for k in parameters}) == []
    assert 'auxiliary_head.conv_seg.weight' in trained and 'mIoU' in done.stdout
