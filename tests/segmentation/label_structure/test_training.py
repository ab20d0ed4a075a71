"""Whole trainings: the autoencoder from labels alone, then a segmentor under it, as a user runs them."""

import json
import re
import shutil

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from PIL import Image
from segmentation_training import (
    ALL_CLASSES,
    AUTOENCODER,
    CHANNELS,
    EXPORTED,
    LEARN,
    NUM_IMAGES,
    SUPERVISE,
    last_metrics,
    shared_autoencoder,
    shared_scenes,
    write_config,
)
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
from labelenc_mm.shape_scenes import CLASSES
from labelenc_mm.toolbox.safe_loading import load_checkpoint_file

KEEP = "dict(type='KeepWeightsHook')"
EAGER = """
train_cfg = dict(_delete_=True, type='EagerIterBasedTrainLoop', max_iters=3, val_interval=9)
train_dataloader = dict(num_workers=1, persistent_workers=True, sampler=dict(type='InfiniteSampler'))
default_hooks = dict(checkpoint=dict(by_epoch=False))
"""
NO_IMAGES = 'only label maps are used, no image is decoded'


@pytest.fixture(scope='module')
def autoencoder():
    return shared_autoencoder().work_dir / AUTOENCODER


@pytest.fixture(scope='module')
def supervised(autoencoder):
    """A segmentor trained under both heads."""
    config = write_config(
        shared_folder() / 'supervise.py', SUPERVISE, autoencoder=autoencoder, hooks=KEEP
    )
    return config, train(config, shared_folder() / 'supervise')


def without_images(tmp_path):
    """The data set with images that nobody can decode."""
    data = shutil.copytree(shared_scenes(), tmp_path / 'data')
    for path in data.glob('images/*/*'):
        path.write_bytes(b'no image')
    return data


def test_autoencoder_is_trained_validated_and_tested_without_images(tmp_path):
    config = write_config(tmp_path / 'c.py', LEARN, data=without_images(tmp_path))
    run = train(config, tmp_path / 'run')
    assert f'{NO_IMAGES}; left out: PhotoMetricDistortion\n' in run.output
    assert 0 < last_metrics(run)['mIoU'] <= 100
    losses = [entry['loss_ce'] for entry in run.scalars() if 'loss_ce' in entry]
    assert len(losses) == 3 * NUM_IMAGES // 4 and losses[-1] < losses[0]
    tested = run_script(
        TEST, config, tmp_path / 'run' / 'epoch_3.pth', '--work-dir', tmp_path / 'test',
        work_dir=tmp_path / 'test',
    )  # fmt: skip
    assert f'{NO_IMAGES}\n' in tested.output  # this pipeline has no photometric transform
    assert f'mIoU: {last_metrics(run)["mIoU"]:.4f}' in tested.output


def test_no_worker_reads_images_that_started_before_the_hooks(tmp_path):
    config = write_config(tmp_path / 'c.py', LEARN, EAGER, data=without_images(tmp_path))
    run = train(config, tmp_path / 'run')
    assert NO_IMAGES in run.output and (tmp_path / 'run' / AUTOENCODER).is_file()


def test_autoencoder_leaves_its_weights_and_what_they_are_of(autoencoder):
    tensors, metadata = load_tensors(autoencoder)
    last = weights(autoencoder.with_name('epoch_3.pth'))
    assert differing(tensors, last) == []
    assert metadata['classes'] == list(ALL_CLASSES) and metadata['reduce_zero_label'] is False
    assert metadata['channels'] == list(CHANNELS) and metadata['stride'] == 16
    assert not autoencoder.with_name(EXPORTED).exists()


def test_any_checkpoint_of_the_autoencoder_gives_its_file(autoencoder, tmp_path):
    tool, checkpoint = ROOT / 'tools' / 'export.py', autoencoder.with_name('epoch_3.pth')
    config, out = shared_folder() / 'learn.py', tmp_path / 'a.safetensors'
    run_script(tool, config, checkpoint, out, work_dir=tmp_path)
    (tensors, metadata), (expected, facts) = map(load_tensors, (out, autoencoder))
    assert tensors.keys() == expected.keys() and differing(tensors, expected) == []
    assert metadata == facts
    stock = tmp_path / 'a.pth'
    done = run_script(tool, config, checkpoint, stock, work_dir=tmp_path, expect=1)
    assert 'give an OUT that ends in .safetensors' in done.output and not stock.exists()


@pytest.mark.parametrize('way', ['load_from', 'model.init_cfg.checkpoint'])
def test_the_file_wins_over_the_decoder_of_a_checkpoint_to_start_from(
    way, supervised, autoencoder, tmp_path
):
    """As where a segmentor that was trained under another autoencoder is trained further."""
    _, run = supervised
    start = load_checkpoint_file(run.work_dir / 'epoch_3.pth')
    for key, value in start['state_dict'].items():
        if key.startswith('label_structure.0.decoder.'):
            value += 1
    torch.save(start, tmp_path / 'start.pth')
    config = write_config(tmp_path / 'c.py', SUPERVISE, autoencoder=autoencoder, hooks=KEEP)
    options = [f'{way}={tmp_path / "start.pth"}', 'train_cfg.max_epochs=1']
    if way != 'load_from':
        options.append('model.init_cfg.type=Pretrained')
    further = train(config, tmp_path / 'run', *options)
    first, last = (weights(further.work_dir / f'{name}_rank0.pth') for name in ('first', 'last'))
    half = with_prefix(last, 'label_structure.0.decoder.', 'decoder.')
    assert differing(half, with_prefix(load_tensors(autoencoder)[0], 'decoder.', 'decoder.')) == []
    stem = 'backbone.stem.0.weight'
    assert torch.equal(first[stem], start['state_dict'][stem])


def test_an_autoencoder_of_fewer_classes_than_the_data_set_has_is_refused(tmp_path):
    config = write_config(tmp_path / 'c.py', LEARN)
    run = train(config, tmp_path / 'run', 'model.num_classes=3', expect=1)
    count = len(ALL_CLASSES)
    assert f'model.num_classes=3, but the data set has {count} classes: set' in run.output
    assert not (tmp_path / 'run' / 'epoch_1.pth').exists()


def test_more_classes_than_the_data_set_has_are_told(tmp_path):
    """mmseg's own heads may have more outputs, too; both halves of the method then have."""
    options = [f'model.num_classes={(count := len(ALL_CLASSES) + 3)}', 'train_cfg.max_epochs=1']
    learned = train(write_config(tmp_path / 'l.py', LEARN), tmp_path / 'learned', *options)
    assert f'serves segmentors with {count} outputs alone' in learned.output
    config = write_config(tmp_path / 's.py', SUPERVISE, autoencoder=learned.work_dir / AUTOENCODER)
    options = [f'model.{head}.num_classes={count}' for head in ('decode_head', 'auxiliary_head')]
    run = train(config, tmp_path / 'run', *options, 'train_cfg.max_epochs=1')
    assert (run.work_dir / EXPORTED).is_file()


def test_segmentor_moves_and_the_halves_do_not(supervised, autoencoder):
    _, run = supervised
    tensors, _ = load_tensors(autoencoder)
    first, last = (weights(run.work_dir / f'{name}_rank0.pth') for name in ('first', 'last'))
    for state in (first, last):
        for index, part in enumerate(('decoder', 'encoder')):
            half = with_prefix(state, f'label_structure.{index}.{part}.', f'{part}.')
            assert differing(half, with_prefix(tensors, f'{part}.', f'{part}.')) == []
    moved = differing(first, last)
    assert 'backbone.stem.0.weight' in moved
    assert 'label_structure.0.to_code.weight' in moved
    assert 'label_structure.1.projections.1.weight' in moved


def test_segmentor_leaves_the_stock_segmentor(supervised):
    config, run = supervised
    checkpoint = torch.load(run.work_dir / EXPORTED, weights_only=True)
    init_default_scope('mmseg')
    stock = MODELS.build(Config.fromfile(config.with_name('supervise_0.py')).model)
    stock.load_state_dict(checkpoint['state_dict'], strict=True)
    trained = weights(run.work_dir / 'epoch_3.pth')
    stock_part = {k: v for k, v in trained.items() if not k.startswith('label_structure.')}
    assert differing(checkpoint['state_dict'], stock_part) == []
    assert checkpoint['meta']['dataset_meta']['classes'] == ALL_CLASSES


def test_stock_config_and_exported_segmentor_give_the_metrics_of_the_training(supervised, tmp_path):
    config, run = supervised
    stock = config.with_name('supervise_0.py')
    tested = run_script(TEST, stock, run.work_dir / EXPORTED, work_dir=tmp_path / 'test')
    assert f'mIoU: {last_metrics(run)["mIoU"]:.4f}' in tested.output


def with_pictures(config, path):
    """A child config that draws what the decoder predicts."""
    path.write_text(
        f"_base_ = '{config}'\n"
        'default_hooks = dict(visualization=dict(\n'
        "    type='LabelStructureVisualizationHook', draw=True, interval=1))\n"
    )
    return path


def test_pictures_leave_metrics_and_predictions_as_they_are(supervised, tmp_path):
    """``tools/test.py`` with mmseg's hook and with ours."""
    config, run = supervised
    found = []
    for name, each in (('stock', config), ('ours', with_pictures(config, tmp_path / 'ours.py'))):
        work_dir = tmp_path / name
        hook = "--cfg-options=default_hooks.visualization.type='SegVisualizationHook'"
        run_script(
            TEST, each, run.work_dir / 'epoch_3.pth', '--work-dir', work_dir,
            '--out', work_dir / 'maps', '--show-dir', work_dir / 'pictures',
            *([hook] if name == 'stock' else []), work_dir=work_dir,
        )  # fmt: skip
        maps = {path.name: path.read_bytes() for path in (work_dir / 'maps').iterdir()}
        widths = {Image.open(path).width for path in (work_dir / 'pictures').rglob('*.png')}
        (metrics,) = work_dir.glob('*/*.json')
        metrics = {k: v for k, v in json.loads(metrics.read_text()).items() if 'time' not in k}
        found.append((maps, metrics, widths))
    assert found[0][:2] == found[1][:2] and len(found[0][0]) == NUM_IMAGES
    assert [each[2] for each in found] == [{2 * 64}, {3 * 64}]


def test_pictures_during_the_validation_leave_the_training_as_it_is(supervised, tmp_path):
    config, run = supervised
    drawn = train(with_pictures(config, tmp_path / 'c.py'), tmp_path / 'run')
    assert last_metrics(drawn)['mIoU'] == last_metrics(run)['mIoU']
    last = weights(drawn.work_dir / 'epoch_3.pth')
    assert differing(last, weights(run.work_dir / 'epoch_3.pth')) == []
    pictures = list(drawn.work_dir.rglob('vis_image/val_*.png'))
    assert pictures and {Image.open(path).width for path in pictures} == {3 * 64}


def test_resuming_needs_no_file_of_the_autoencoder_and_repeats_the_run(
    supervised, autoencoder, tmp_path
):
    _, run = supervised
    gone = tmp_path / 'gone.safetensors'
    config = write_config(tmp_path / 'c.py', SUPERVISE, autoencoder=gone, hooks=KEEP)
    work_dir = tmp_path / 'run'
    work_dir.mkdir()
    shutil.copy(run.work_dir / 'epoch_2.pth', work_dir)
    resumed = train(config, work_dir, resume=True)
    assert not gone.exists()
    last = weights(work_dir / 'epoch_3.pth')
    assert differing(last, weights(run.work_dir / 'epoch_3.pth')) == []
    assert last_metrics(resumed)['mIoU'] == last_metrics(run)['mIoU']
    (left,) = work_dir.glob('*.py')
    heads = Config.fromfile(left).model.label_structure
    assert [head.init_from for head in heads] == [str(gone)] * 2
    fresh = train(config, tmp_path / 'fresh', expect=1)
    assert f'init_from={gone}: no such file. Train a LabelAutoEncoder first' in fresh.output


def test_both_files_hold_the_averaged_weights(autoencoder, tmp_path):
    hooks = "dict(type='EMAHook', momentum=0.3), dict(type='KeepWeightsHook')"
    learn = train(write_config(tmp_path / 'a.py', LEARN, hooks=hooks), tmp_path / 'learn')
    tensors, _ = load_tensors(learn.work_dir / AUTOENCODER)
    assert differing(tensors, weights(learn.work_dir / 'epoch_3.pth')) == []
    assert 'decoder.convs.0.weight' in differing(
        tensors, weights(learn.work_dir / 'last_rank0.pth')
    )
    config = write_config(tmp_path / 'b.py', SUPERVISE, hooks=hooks, autoencoder=autoencoder)
    run = train(config, tmp_path / 'supervise')
    averaged = weights(run.work_dir / 'epoch_3.pth')
    exported = weights(run.work_dir / EXPORTED)
    assert differing(exported, {k: v for k, v in averaged.items() if k in exported}) == []
    raw = weights(run.work_dir / 'last_rank0.pth')
    assert 'backbone.stem.0.weight' in differing(exported, raw)
    decoder = with_prefix(averaged, 'label_structure.0.decoder.', 'decoder.')
    assert (
        differing(decoder, with_prefix(load_tensors(autoencoder)[0], 'decoder.', 'decoder.')) == []
    )


def test_plain_auxiliary_head_through_a_whole_training(autoencoder, tmp_path):
    """Segmentors do not initialise heads in a list: the hook loads it before the first iteration."""
    part = """
model = dict(
    auxiliary_head=[
        _base_.model.auxiliary_head,
        dict(
            type='FrozenLabelDecoderHead',
            num_classes={num_classes},
            in_channels=64,
            in_index=3,
            channels={channels},
            init_from='{autoencoder}',
        ),
    ]
)
"""
    config = write_config(tmp_path / 'c.py', part, autoencoder=autoencoder, hooks=KEEP)
    run = train(config, tmp_path / 'run', 'train_cfg.max_epochs=1')
    first = weights(run.work_dir / 'first_rank0.pth')
    decoder = with_prefix(first, 'auxiliary_head.1.decoder.', 'decoder.')
    assert (
        differing(decoder, with_prefix(load_tensors(autoencoder)[0], 'decoder.', 'decoder.')) == []
    )
    exported, last = weights(run.work_dir / EXPORTED), weights(run.work_dir / 'last_rank0.pth')
    expected = with_prefix(last, 'auxiliary_head.0.', 'auxiliary_head.')
    expected |= {k: v for k, v in last.items() if not k.startswith('auxiliary_head.')}
    assert differing(exported, expected) == []
    # And the tool does it again, for any checkpoint.
    out = tmp_path / 'again.pth'
    tool = ROOT / 'tools' / 'export.py'
    run_script(tool, config, run.work_dir / 'epoch_1.pth', out, work_dir=tmp_path / 'tool')
    assert differing(weights(out), exported) == []
    refused = run_script(
        tool, config.with_name('c_0.py'), out, out, work_dir=tmp_path / 'tool', expect=1
    )
    assert 'no state_dict with a' in refused.output


def test_reduce_zero_label_in_both_trainings(tmp_path):
    """Background becomes void; with the same flag in both, and refused where it differs."""
    options = dict(classes=CLASSES, reduce_zero_label=True)
    config = write_config(tmp_path / 'a.py', LEARN, **options)
    learn = train(config, tmp_path / 'learn', 'train_cfg.max_epochs=1', 'train_cfg.val_interval=1')
    autoencoder = learn.work_dir / AUTOENCODER
    assert load_tensors(autoencoder)[1]['reduce_zero_label'] is True
    assert last_metrics(learn)['mIoU'] >= 0
    flag = 'val_dataloader.dataset.reduce_zero_label=False'
    other = train(config, tmp_path / 'other', flag, expect=1)
    assert (
        'reduce_zero_label is set for some data sets of this run and not for others' in other.output
    )
    config = write_config(tmp_path / 'b.py', SUPERVISE, autoencoder=autoencoder, **options)
    train(config, tmp_path / 'supervise', 'train_cfg.max_epochs=1')
    other = train(config, tmp_path / 'other3', flag, expect=1)
    assert 'others: label 0 would be void in one and a class in the other' in other.output
    assert not list((tmp_path / 'other3').glob('*.pth'))
    flags = [f'{part}_dataloader.dataset.reduce_zero_label=False' for part in ('train', 'val')]
    other = train(config, tmp_path / 'other2', *flags, expect=1)
    assert 'reduce_zero_label is False (autoencoder: True)' in other.output


def test_an_autoencoder_of_other_classes_is_refused_with_the_difference(autoencoder, tmp_path):
    classes = list(ALL_CLASSES)
    classes[1], classes[2] = classes[2], classes[1]
    config = write_config(tmp_path / 'c.py', SUPERVISE, autoencoder=autoencoder, classes=classes)
    run = train(config, tmp_path / 'run', expect=1)
    assert f"1: '{classes[1]}' (autoencoder: '{classes[2]}')" in run.output
    assert not (tmp_path / 'run' / 'epoch_1.pth').exists()


def test_labels_outside_of_the_classes_are_refused_by_file(autoencoder, tmp_path):
    """As if background had been forgotten among the classes."""
    config = write_config(tmp_path / 'c.py', LEARN, classes=CLASSES)
    run = train(config, tmp_path / 'run', expect=1)
    assert f'has labels {len(CLASSES)}, but there are {len(CLASSES)} classes' in run.output
    assert 'labels/train/0000' in run.output


def test_a_label_map_of_another_size_is_refused_by_file(autoencoder, tmp_path):
    """Also where the pipeline would make both equal, and by the autoencoder, which decodes no image."""
    data = shutil.copytree(shared_scenes(), tmp_path / 'data')
    path = data / 'labels' / 'train' / '000003.png'
    Image.open(path).crop((0, 0, 64, 50)).save(path)
    part = """
train_dataloader = dict(
    dataset=dict(
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            dict(type='Resize', scale={size}),
            dict(type='PackSegInputs'),
        ]
    )
)
"""
    values = dict(autoencoder=autoencoder, data=data)
    config = write_config(tmp_path / 'c.py', SUPERVISE, part, **values)
    run = train(config, tmp_path / 'run', expect=1)
    message = f'{path}: the label map has (height, width) (50, 64), its image {data}/images/train/'
    assert message in run.output
    config = write_config(tmp_path / 'a.py', LEARN, part, data=data)
    assert message in train(config, tmp_path / 'a', expect=1).output
    options = ['default_hooks.label_structure.read_images=True']
    assert message in train(config, tmp_path / 'read', *options, expect=1).output


def test_a_void_label_that_only_the_model_knows_is_refused_before_the_first_batch(
    autoencoder, tmp_path
):
    void = 'data_preprocessor.seg_pad_val is 255: set it to 99'
    for part, key in ((LEARN, 'model'), (SUPERVISE, 'model.decode_head')):
        config = write_config(tmp_path / 'c.py', part, autoencoder=autoencoder)
        run = train(config, tmp_path / 'run', f'{key}.ignore_index=99', expect=1)
        assert f'void pixels have label 99 ({key}.ignore_index)' in run.output
        assert void in run.output and 'Epoch(train)' not in run.output
    assert 'model.auxiliary_head.ignore_index is 255: set it to 99' in run.output


def test_a_class_without_a_pixel_is_told_after_the_first_epoch(tmp_path):
    config = write_config(tmp_path / 'c.py', LEARN, classes=(*ALL_CLASSES, 'ghost'))
    run = train(config, tmp_path / 'run', 'train_cfg.max_epochs=2')
    assert run.output.count('had no pixel in the first') == 1
    first = run.output.split('Saving checkpoint at 2 epochs')[0]
    assert re.search(r"first 2 iterations: 'ghost'; \d+% of the pixels were void", first)


def test_data_that_are_not_there_are_told_with_their_folders_before_training(tmp_path):
    config = write_config(tmp_path / 'c.py', LEARN)
    run = train(config, tmp_path / 'run', 'train_dataloader.dataset.img_suffix=.none', expect=1)
    message = (
        "data set of train_dataloader is empty: BaseSegDataset finds no sample with data_root='"
    )
    assert message in run.output and "img_suffix='.none'" in run.output
