"""Image classifiers around a colorization: what their configs say beside the paper, and two iterations."""

import copy
import json
import re
import runpy
import shlex
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import LabelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from paper_configs import distinct_models, names_of_the_paper, without_gradient
from photo_files import write_photos
from training_runs import ROOT, TEST, run_script, shared_folder, train, weights

import labelenc_mm
from labelenc_mm.pretraining.pretrained_segmentor import pretrained_segmentor
from labelenc_mm.recipes import make_plan, read_recipe

FOLDER = 'colorization'
ABSORB = ROOT / 'tools' / 'model_converters' / 'absorb_batch_norm.py'
PAPER = sorted(name for name in names_of_the_paper(FOLDER) if name.startswith('classify_'))
VOC = [name for name in PAPER if 'voc07' in name]
PROTOCOL = [name for name in VOC if '1xb16-80k' in name]
SEARCH = 'classify_vgg16_colorization_1xb16-search_voc07-224x224.py'
FOUND = SEARCH.replace('search', 'found')
TABLE3 = [name for name in PAPER if '-search_in1k-' in name]
LABELS = [name for name in PAPER if '_1xb64-' in name]
GRAY = 'classify_vgg16_in1k-pre_1xb64-4e_in1k-224x224.py'
TABLE4 = [name for name in LABELS if name != GRAY]
SIDE = 32
NUM_PHOTOS = 4


@cache
def parsed(name):
    return Config.fromfile(labelenc_mm.config(f'{FOLDER}/{name}'))


def stems(names):
    return {tuple(Path(name).stem.split('_')[1:]) for name in names}


def test_rows_of_the_tables_are_there():
    starts = ((), ('colorization',))
    protocol = {
        (net, *start, '1xb16-80k', f'voc07-{side}x{side}')
        for net, side in (('vgg16', 224), ('alexnet', 227), ('r152', 224))
        for start in (*starts, ('in1k-pre',))
        if (net, *start) != ('r152', 'in1k-pre')
    }
    assert stems(PROTOCOL) == protocol
    assert {*VOC} == {*PROTOCOL, SEARCH, FOUND}
    assert stems(TABLE3) == {
        (net, *start, '1xb16-search', f'in1k-{number}-224x224')
        for net in ('vgg16', 'alexnet', 'r152')
        for start in starts
        for number in ('100k', '10k')
    }
    rows = [('20e', ''), ('250e', '100k-'), ('250e', '10k-'), ('20e', 'e10-'), ('20e', 'e50-')]
    rows += [('20e', 'h16-'), ('20e', 'h2-')]
    rows += [(epochs, kind) for epochs in ('20e', '40e') for kind in ('r50-', 'r16-')]
    assert stems(TABLE4) == {('vgg16', f'1xb64-{e}', f'in1k-{kind}224x224') for e, kind in rows}


# Trained by the protocol, too, and no row of Table 1.
BESIDE = {
    'classify_vgg16_1xb16-80k_voc07-224x224.py',
    'classify_r152_1xb16-80k_voc07-224x224.py',
    'classify_alexnet_in1k-pre_1xb16-80k_voc07-227x227.py',
}


def runs_of(recipe):
    path = labelenc_mm.config(f'{FOLDER}/{recipe}')
    return make_plan(read_recipe(path), Path('/w'), Path('/tools')).runs.values()


@pytest.mark.parametrize(
    ('recipe', 'names'),
    [('table1.yml', {*PROTOCOL} - BESIDE), ('table3_classification.yml', {*TABLE3})],
)
def test_recipe_trains_each_classifier_of_its_table_and_tests_what_comes_out(recipe, names):
    trained, tested = {}, {}
    for run in runs_of(recipe):
        if (name := run.config_path().name).startswith('classify_'):
            if run.stage.kind == 'test':
                tested[run.fill(run.stage.checkpoint)] = name
            else:
                trained[f'<{run.name}>/last_checkpoint'] = name
    assert {*trained.values()} == names
    assert tested == trained


def test_recipe_of_table_4_fine_tunes_the_last_epoch_of_each_pretraining():
    last, commands, starts = {}, '', set()
    for run in runs_of('table4.yml'):
        if run.stage.name == 'pretraining':
            (output,) = run.stage.outputs
            last[run.config_path().name] = run.fill(output)
        elif run.stage.name == 'absorbed':
            commands += run.fill(run.stage.target) + '\n'
        elif run.stage.name == 'finetuned':
            starts.add(run.fill(run.stage.options['model.backbone.init_cfg.checkpoint']))
    epochs = {name: f'epoch_{parsed(name).train_cfg.max_epochs}.pth' for name in TABLE4}
    assert {name: Path(file).name for name, file in last.items()} == epochs
    assert all(f'{name} {file} ' in commands for name, file in last.items())
    assert starts == {line.split()[-1] for line in commands.splitlines()}


@pytest.mark.parametrize('name', PROTOCOL)
def test_voc_2007_is_trained_by_the_protocol(name):
    """Of Krähenbühl and others: 80,000 iterations of 16 crops at 0.5 to 2, half the rate every 10,000."""
    config = parsed(name)
    side = 227 if 'alexnet' in name else 224
    assert (config.train_cfg.max_iters, config.train_dataloader.batch_size) == (80000, 16)
    (scheduler,) = config.param_scheduler
    assert (scheduler.type, scheduler.step_size, scheduler.gamma) == ('StepLR', 10000, 0.5)
    wrapper = config.optim_wrapper
    assert (wrapper.optimizer.lr, wrapper.optimizer.weight_decay) == (1e-3, 1e-6)
    assert wrapper.clip_grad.max_norm == 10
    steps = {step.type: step for step in config.train_dataloader.dataset.pipeline}
    assert steps['RandomResize'].ratio_range == (0.5, 2.0)
    assert steps['RandomCrop'].crop_size == config.model.data_preprocessor.size == (side, side)
    model = config.model
    assert (model.num_classes, model.multi_label, model.loss_weight) == (20, True, 20)  # summed
    assert model.backbone.taps == (['layer4.2'] if 'r152' in name else ['fc7'])
    assert config.train_dataloader.dataset.ann_file == 'trainval.txt'
    assert config.test_dataloader.dataset.ann_file == 'test.txt'


@pytest.mark.parametrize('name', VOC)
def test_voc_2007_is_tested_on_ten_crops_of_the_trained_size(name):
    config = parsed(name)
    crops, flips, _ = config.tta_pipeline[-1].transforms
    sizes = {step.crop_size for step in (*crops, config.test_dataloader.dataset.pipeline[1])}
    assert sizes == {config.model.data_preprocessor.size}
    assert {step.place for step in crops} == {(0, 0), (0, 1), (1, 0), (1, 1), (0.5, 0.5)}
    assert [step.prob for step in flips] == [0, 1]
    assert config.tta_pipeline[0].min_side == config.test_dataloader.dataset.pipeline[0].min_side


@pytest.mark.parametrize('name', [name for name in PAPER if '_colorization_' in name])
def test_start_is_what_a_pretraining_here_leaves(name):
    (hook,) = parsed(name).custom_hooks
    folder, file = Path(hook.checkpoint).parts[1:]
    assert Path(labelenc_mm.config(f'{FOLDER}/{folder}.py')).is_file()
    assert file == ('pretrained_segmentor.pth' if 'r152' in name else 'absorbed.pth')
    assert ('_1xb8-3e_' in folder) == (name in TABLE3)  # as all comparisons (sec. 3.1)
    assert not parsed(name).model.backbone.get('norm_cfg')


@pytest.mark.parametrize('name', [*TABLE3, SEARCH])
def test_a_schedule_is_searched_on_images_that_are_held_out(name):
    """Sec. 4.1; the numbers of images are those of the paper, a tenth less."""
    config = parsed(name)
    (scheduler,) = config.param_scheduler
    assert (scheduler.type, scheduler.rule) == ('ReduceOnPlateauLR', 'greater')
    assert scheduler.monitor == ('mAP' if 'voc07' in name else 'accuracy/top5')
    assert config.default_hooks.schedule_search.type == 'ScheduleSearchHook'
    assert config.default_hooks.checkpoint.interval == config.train_cfg.val_interval
    train_set, val_set, test_set = (
        config[f'{part}_dataloader'].dataset for part in ('train', 'val', 'test')
    )
    number = 5011 if 'voc07' in name else 100_000 if '100k' in name else 10_000
    kept, held_out = round(0.9 * number), round(0.1 * number)
    assert train_set.ann_file.endswith(f'/{kept}_seed0.txt')
    assert val_set.ann_file == train_set.ann_file.replace(str(kept), f'heldout_{held_out}')
    assert train_set.get('data_prefix') == val_set.get('data_prefix')
    assert 'heldout' not in test_set.ann_file


@pytest.mark.parametrize('name', TABLE4)
def test_pretraining_on_labels_is_that_of_table_4(name):
    config = parsed(name)
    _, _, schedule, data = Path(name).stem.split('_')
    epochs, kind = schedule.removeprefix('1xb64-'), data.split('-')[1]
    assert config.train_cfg.max_epochs == config.param_scheduler[0].end == int(epochs[:-1])
    backbone = config.model.backbone
    assert backbone.in_channels == 1
    assert not backbone.norm_cfg.affine and not backbone.fc_norm_cfg.affine
    train_set, val_set = (config[f'{part}_dataloader'].dataset for part in ('train', 'val'))
    assert (train_set.data_prefix.img_path, val_set.data_prefix.img_path) == ('train', 'val')
    is_joined = kind[0] in 'rh'
    number = int(kind[1:]) if is_joined else 1000
    assert {config.model.num_classes, train_set.num_classes, val_set.num_classes} == {number}
    assert val_set.ann_file == (
        train_set.ann_file.replace('.txt', '_val.txt') if is_joined else 'variants/all_val.txt'
    )


def test_lists_are_those_that_the_commands_of_the_readme_write(tmp_path, monkeypatch):
    """From 1000 classes of 100 images, with a tree of all under one root."""
    readme = Path(labelenc_mm.config(f'{FOLDER}/README.md')).read_text()
    first, loop = re.search(
        r'## Lists and schedules\n.*?```bash\n(.*?)\nfor (.*?)```', readme, re.S
    ).groups()
    classes = [f'n{i:04}' for i in range(1000)]
    for part, number in (('train', 100), ('val', 2)):
        lines = (f'{c}/{i}.JPEG' for c in classes for i in range(number))
        (tmp_path / part).write_text('\n'.join(lines))
    (tmp_path / 'wordnet.is_a.txt').write_text('\n'.join(f'entity {c}' for c in classes))
    variants = tmp_path / 'variants'
    places = {
        'data/imagenet/train': tmp_path / 'train',
        'data/imagenet/val': tmp_path / 'val',
        'data/imagenet/variants': variants,
        'wordnet.is_a.txt': tmp_path / 'wordnet.is_a.txt',
    }
    monkeypatch.syspath_prepend(ROOT / 'tools')  # where a script finds the modules beside it
    _, tool, *arguments = shlex.split(first.replace('\\\n', ''))
    runpy.run_path(str(ROOT / tool))['main']([str(places.get(a, a)) for a in arguments])
    _, tool, _, *arguments = shlex.split(loop.partition('do\n')[2].partition('\n')[0])
    for number in re.match(r'n in (.*?);', loop)[1].split():
        source, out = variants / f'{number}-a-class_seed0.txt', variants / f'{number}-a-class'
        runpy.run_path(str(ROOT / tool))['main']([str(source), *arguments[:-1], str(out)])
    for name in (*TABLE3, *LABELS):
        for part in ('train', 'val', 'test'):
            dataset = parsed(name)[f'{part}_dataloader'].dataset
            lines = (tmp_path / dataset.ann_file).read_text().splitlines()
            labels = {int(line.split()[1]) for line in lines}
            assert max(labels) == dataset.num_classes - 1


def shrunk(model):
    """The same layers, as narrow as they may be."""
    model = copy.deepcopy(model)
    model.data_preprocessor.size = (SIDE, SIDE)
    backbone = model.backbone
    if backbone.type == 'TappedVGG':
        backbone.update(base_channels=2, fc_channels=8)
    elif backbone.type == 'TappedAlexNet':
        backbone.update(width_mult=0.0625, fc_channels=8)
    else:
        backbone.backbone.update(base_channels=2, stem_channels=2)
    if 'checkpoint' in (backbone.get('init_cfg') or {}):
        backbone.init_cfg = None
    return model


def build(model):
    init_default_scope('mmseg')
    model = MODELS.build(model)
    model.init_weights()
    return model


def absorbed(model, path):
    """A file as a pretraining leaves it, made ready."""
    torch.manual_seed(1)
    metadata = dict(method='colorization', target='ColorHistogramTargets', encoder=[])
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {k: v for k, v in build(model).state_dict().items() if k.startswith('backbone.')}
    metadata.update(parts=['backbone'], photos=4)
    pretrained_segmentor().save(path, state, metadata)
    return str(path)


def write_list(dataset, several):
    """Photos and labels where a data set looks for them."""
    root = shared_folder() / 'photos of classifiers'
    photos = root / dataset.get('data_prefix', {}).get('img_path', '')
    names = write_photos(photos, NUM_PHOTOS, (40, 48))
    labels = [(7 * i) % dataset.num_classes for i in range(NUM_PHOTOS)]
    lines = [f'{name} {label}' for name, label in zip(names, labels, strict=True)]
    if several:
        lines[0] += ' 3 5?'
    path = root / dataset.ann_file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(lines))
    dataset.data_root = f'{root}/'


def tiny(name):
    """The config for tiny data and two iterations, as a file."""
    config = copy.deepcopy(parsed(name))
    config.model = shrunk(config.model)
    if config.get('custom_hooks'):
        path = shared_folder() / 'absorbed' / f'{Path(name).stem}.pth'
        config.custom_hooks[0].checkpoint = absorbed(config.model, path)
    pipelines = [config.get('tta_pipeline') or []]
    for part in ('train', 'val', 'test'):
        loader = config[f'{part}_dataloader']
        loader.update(batch_size=2, num_workers=0, persistent_workers=False)
        write_list(loader.dataset, several=config.model.get('multi_label'))
        pipelines.append(loader.dataset.pipeline)
    for step in (step for pipeline in pipelines for step in pipeline):
        if step.type == 'LoadPhoto':
            step.update({key: SIDE for key in ('reduce_to', 'min_side') if key in step})
        if step.type in ('Resize', 'RandomResize'):
            step.scale = (1000, 40) if step.type == 'Resize' else (40, 40)
        for crop in step.transforms[0] if step.type == 'TestTimeAug' else [step]:
            if 'crop_size' in crop:
                crop.crop_size = (SIDE, SIDE)
    if name in LABELS:
        config.train_cfg.update(max_epochs=1, val_interval=1)
        config.default_hooks.checkpoint.interval = 1
    else:
        config.train_cfg.update(val_interval=2)
        config.default_hooks.checkpoint.interval = 2
    if name == FOUND:
        schedule = shared_folder() / 'schedule.json'
        schedule.write_text(json.dumps(dict(drops=[1], end=2, factor=0.1, scores={})))
        config.train_cfg.schedule = config.param_scheduler[0].schedule = str(schedule)
    elif name not in LABELS:
        config.train_cfg.update(max_iters=2)
    config.default_hooks.logger.interval = 1
    path = shared_folder() / 'configs' / FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    config.dump(path)
    return path


QUICK = {
    FOUND,
    'classify_alexnet_colorization_1xb16-80k_voc07-227x227.py',
    'classify_alexnet_1xb16-search_in1k-10k-224x224.py',
    'classify_vgg16_1xb64-20e_in1k-r16-224x224.py',
}


@pytest.mark.parametrize(
    'name', [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in PAPER]
)
def test_config_trains(name):
    run = train(tiny(name), shared_folder() / 'runs' / FOLDER / name)
    losses = [entry for entry in run.scalars() if 'loss_cls' in entry]
    assert len(losses) == 2 and np.isfinite([entry['loss_cls'] for entry in losses]).all()
    (metrics,) = [entry for entry in run.scalars() if 'lr' not in entry]
    wanted = {'mAP', 'mAP_11points'} if 'voc07' in name else {'accuracy/top1'}
    assert wanted <= metrics.keys()
    assert ('(colorization); fresh: fc' in run.output) == ('_colorization_' in name)
    if '-search_' in name:
        assert json.loads((run.work_dir / 'schedule.json').read_text())['end'] == 2
    if name == FOUND:
        first, second = (entry['base_lr'] for entry in losses)
        assert second == pytest.approx(0.1 * first)


def test_a_classifier_of_voc_2007_is_tested_on_ten_crops(tmp_path):
    name = 'classify_alexnet_1xb16-80k_voc07-227x227.py'
    config = tiny(name)
    checkpoint = tmp_path / 'model.pth'
    torch.save({'state_dict': build(shrunk(parsed(name).model)).state_dict()}, checkpoint)
    options = ('--work-dir', tmp_path / 'test', '--tta')
    run = run_script(TEST, config, checkpoint, *options, work_dir=tmp_path)
    assert 'mAP_11points' in run.output


def test_what_was_pretrained_on_labels_goes_into_a_network_without_normalisation(tmp_path):
    name = 'classify_vgg16_1xb64-20e_in1k-r16-224x224.py'
    config = tiny(name)
    run = train(config, tmp_path / 'run')
    out = tmp_path / 'absorbed.pth'
    run_script(ABSORB, config, run.work_dir / 'epoch_1.pth', out, work_dir=tmp_path)
    trained = build(shrunk(parsed(name).model)).eval()
    trained.load_state_dict(weights(run.work_dir / 'epoch_1.pth'))
    taking = shrunk(parsed('classify_vgg16_1xb16-search_in1k-10k-224x224.py').model).backbone
    taking.init_cfg = dict(type='Pretrained', checkpoint=str(out), prefix='backbone.')
    backbone = build(taking).eval()
    images = torch.rand(2, 1, SIDE, SIDE)
    (expected,), (found,) = trained.backbone(images), backbone(images)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_the_public_network_learns_gray_images_for_four_epochs():
    """Table 4, from weights and at a normalisation like those of its segmentor."""
    config = parsed(GRAY)
    segmentor = parsed('hypercolumn_vgg16-fov_in1k-pre_1xb10-40k_voc12aug-gray-448x448.py').model
    (scheduler,) = config.param_scheduler
    assert config.train_cfg.max_epochs == scheduler.end == 4 > max(scheduler.milestones)
    backbone, start = config.model.backbone, config.model.backbone.init_cfg
    assert backbone.norm_cfg is backbone.fc_norm_cfg is None and 'layer' not in start
    for key in ('mean', 'std', 'type'):
        assert config.model.data_preprocessor[key] == segmentor.data_preprocessor[key]


@pytest.mark.parametrize('name', distinct_models({name: parsed(name) for name in PAPER}))
def test_several_processes_find_a_gradient_of_every_parameter(name):
    model = build(shrunk(parsed(name).model)).train()
    samples = [SegDataSample(gt_label=LabelData(label=torch.tensor([i]))) for i in range(2)]
    images = torch.rand(2, parsed(name).model.backbone.in_channels, SIDE, SIDE)
    assert without_gradient(model, model(images, samples, mode='loss')) == []
