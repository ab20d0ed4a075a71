"""Lists of drawn training images: what they hold, and that stock data sets read them."""

import hashlib
import json
import runpy
from pathlib import Path

import pytest
from mmseg.registry import DATASETS
from mmseg.utils import register_all_modules

register_all_modules(init_default_scope=True)
tool = runpy.run_path(str(Path(__file__).parents[2] / 'tools' / 'make_label_fraction.py'))
main, count_images = tool['main'], tool['count_images']
# Stock config, folder of images, a name in it, ending of images.
STOCK = {
    'CityscapesDataset': (
        'cityscapes',
        'leftImg8bit/train',
        '{city}/{city}_0000{index:02}_000019',
        '_leftImg8bit.png',
    ),
    'ADE20KDataset': ('ade20k', 'images/training', 'ADE_train_{index:08}', '.jpg'),
    'PascalContextDataset59': ('pascal_context_59', 'JPEGImages', '2008_{index:06}', '.jpg'),
}
CITIES = ('aachen', 'bochum', 'ulm')


def make_data(root, kind, number=40):
    """Empty images as they lie in a stock data set, and for Pascal Context the list."""
    _, folder, pattern, suffix = STOCK[kind]
    names = [pattern.format(city=CITIES[i % 3], index=i) for i in range(number)]
    for name in names:
        path = root / folder / f'{name}{suffix}'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'')
    if kind == 'PascalContextDataset59':
        path = root / 'ImageSets/SegmentationContext/train.txt'
        path.parent.mkdir(parents=True)
        path.write_text('\n'.join([*names[:30], '']))  # the others are for validation
        return names[:30]
    return names


def lines(path):
    return path.read_text().splitlines()


def write_names(path, number):
    path.write_text(''.join(f'img_{i}\n' for i in range(number)))
    return str(path)


def test_joined_data_sets_are_refused(tmp_path):
    config = tmp_path / 'config.py'
    config.write_text("_base_ = 'mmseg::_base_/datasets/pascal_voc12_aug.py'\n")
    with pytest.raises(SystemExit, match='joins several data sets, and lists are of one'):
        main([str(config), '--sizes', '3', '--out', str(tmp_path / 'lists')])


@pytest.mark.parametrize('kind', STOCK)
def test_stock_data_sets_read_the_lists_of_their_configs(kind, tmp_path):
    stock, folder, _, suffix = STOCK[kind]
    root, out = tmp_path / 'data', tmp_path / 'lists'
    names = make_data(root, kind)
    config = tmp_path / 'config.py'
    config.write_text(
        f"_base_ = 'mmseg::_base_/datasets/{stock}.py'\n"
        f"train_dataloader = dict(dataset=dict(data_root='{root}'))\n"
    )
    main([str(config), '--sizes', '1/4', '3', '--seeds', '0', '1', '--out', str(out)])
    quarter = round(len(names) / 4)
    found = {}
    for size in (quarter, 3):
        for seed in (0, 1):
            path = out / f'{size}_seed{seed}.txt'
            dataset = DATASETS.build(
                {
                    'type': kind,
                    'data_root': str(root),
                    'data_prefix': {'img_path': folder, 'seg_map_path': 'labels'},
                    'ann_file': str(path),
                }
            )
            infos = [dataset.get_data_info(index) for index in range(len(dataset))]
            assert all(Path(info['img_path']).is_file() for info in infos)
            assert len({info['img_path'] for info in infos}) == len(infos) == size
            assert set(lines(path)) <= set(names)
            found[size, seed] = {info['img_path'] for info in infos}
    assert found[3, 0] < found[quarter, 0] != found[quarter, 1]
    # the folder itself gives the same lists where all of its images are meant
    if len(names) == 40:
        other = tmp_path / 'other'
        main([str(root / folder), '--img-suffix', suffix, '--sizes', '1/4', '--out', str(other)])
        assert lines(other / '10_seed0.txt') == lines(out / '10_seed0.txt')


def test_lists_do_not_depend_on_the_order_of_names_and_are_nested(tmp_path):
    forwards = write_names(tmp_path / 'a.txt', 500)
    backwards = tmp_path / 'b.txt'
    backwards.write_text('\n'.join(reversed(lines(tmp_path / 'a.txt'))))
    sizes = ['--sizes', '20%', '10%', '0.05', '1/100']
    main([forwards, *sizes, '--out', str(tmp_path / 'a')])
    main([str(backwards), *sizes, '--out', str(tmp_path / 'b')])
    drawn = [lines(tmp_path / 'a' / f'{size}_seed0.txt') for size in (5, 25, 50, 100)]
    assert drawn == [lines(tmp_path / 'b' / f'{size}_seed0.txt') for size in (5, 25, 50, 100)]
    assert set(drawn[0]) < set(drawn[1]) < set(drawn[2]) < set(drawn[3])
    # what the same words give on any machine
    keys = {hashlib.sha256(f'0 img_{i}'.encode()).hexdigest(): f'img_{i}' for i in range(500)}
    assert drawn[0] == sorted(keys[key] for key in sorted(keys)[:5])


def test_held_out_images_are_in_no_list_that_leaves_them_out(tmp_path):
    source = write_names(tmp_path / 'a.txt', 50)
    main([source, '--sizes', '40', '5', '--held-out', '20%', '--out', str(tmp_path)])
    held_out = set(lines(tmp_path / 'heldout_10_seed0.txt'))
    assert held_out | set(lines(tmp_path / '40_seed0.txt')) == set(lines(tmp_path / 'a.txt'))


def test_checksum_is_that_of_the_sorted_names(tmp_path, capsys):
    source = write_names(tmp_path / 'a.txt', 30)
    main([source, '--sizes', '7', '--seeds', '3', '--out', str(tmp_path)])
    path = tmp_path / '7_seed3.txt'
    facts = json.loads(path.with_suffix('.json').read_text())
    assert facts['sha256'] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (facts['images'], facts['seed'], facts['of_images']) == (7, 3, 30)
    assert f'7 images (23.3 %), checksum {facts["sha256"][:12]}' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('size', 'total', 'images'),
    [
        # as the paper's tables count them
        ('1/4', 2975, 744),
        ('1/8', 2975, 372),
        ('20%', 20210, 4042),
        ('5%', 20210, 1010),
        ('1%', 20210, 202),
        ('5%', 4998, 250),
        ('1%', 4998, 50),
        ('100', 2975, 100),
        ('1.0', 2975, 2975),
    ],
)
def test_sizes_are_counts_or_shares(size, total, images):
    assert count_images(size, total) == images


@pytest.mark.parametrize(
    ('sizes', 'message'),
    [
        ('1/400', r'--sizes 1/400: that is 0.25 of 100 images; expected 1 to 100'),
        ('101', r'--sizes 101: that is 101 of 100 images'),
        ('101%', r'that is 101 of 100'),
        ('-3', r'expected'),
        ('0', r'that is 0 of 100'),
        ('1/0', r'expected a number of images \(100\) or a share'),
        ('few', r'--sizes few: expected a number of images'),
    ],
)
def test_sizes_that_cannot_be_drawn_end_with_a_message(sizes, message, tmp_path):
    source = write_names(tmp_path / 'a.txt', 100)
    with pytest.raises(SystemExit, match=message):
        main([source, f'--sizes={sizes}', '--out', str(tmp_path / 'out')])
    assert not (tmp_path / 'out').exists()


def test_sources_that_hold_no_images_end_with_a_message(tmp_path):
    def error(source):
        with pytest.raises(SystemExit) as caught:
            main([str(source), '--sizes', '1', '--out', str(tmp_path)])
        return str(caught.value)

    assert 'found no such config, folder or list' in error(tmp_path / 'none')
    assert 'found no image whose name ends in .jpg: --img-suffix' in error(tmp_path)
    (tmp_path / 'twice.txt').write_text('a\nb\na\n')
    assert 'a stands there 2 times' in error(tmp_path / 'twice.txt')


def test_a_list_of_other_images_is_not_overwritten(tmp_path):
    out = ['--sizes', '5', '--out', str(tmp_path)]
    main([write_names(tmp_path / 'a.txt', 30), *out])
    main([write_names(tmp_path / 'a.txt', 30), *out])
    with pytest.raises(SystemExit, match=r'5_seed0\.txt holds other images'):
        main([write_names(tmp_path / 'a.txt', 300), *out])
