"""Lists of VOC 2007 classification, from a made-up VOCdevkit."""

import runpy
from pathlib import Path

import pytest
from photo_files import write_photo

pytest.importorskip('mmseg')
TOOL = Path(__file__).resolve().parents[3] / 'tools' / 'dataset_converters' / 'voc07.py'
tool = runpy.run_path(str(TOOL))
main, CLASSES = tool['main'], tool['CLASSES']
# Image -> class -> 1 or 0; all others are -1.
TRUTH = {
    '000005': {'chair': 1, 'person': 0},
    '000007': {'car': 1, 'aeroplane': 1},
    '000009': {'tvmonitor': 0},
    '000012': {},
}


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / 'VOC2007'
    (folder / 'ImageSets' / 'Main').mkdir(parents=True)
    for name in CLASSES:
        # as released: two spaces before a number of one figure
        lines = [f'{image} {marks.get(name, -1):2}\n' for image, marks in TRUTH.items()]
        (folder / 'ImageSets' / 'Main' / f'{name}_trainval.txt').write_text(''.join(lines))
    for image in TRUTH:
        write_photo(folder / 'JPEGImages' / f'{image}.jpg')
    return folder


def test_classes_are_those_of_voc_in_their_order():
    assert len(CLASSES) == 20 and list(CLASSES) == sorted(CLASSES)
    assert (CLASSES[0], CLASSES[19]) == ('aeroplane', 'tvmonitor')


def test_an_image_list_dataset_reads_the_lists(source, tmp_path, capsys):
    from labelenc_mm.pretraining import ImageListDataset

    main([str(source), '--splits', 'trainval', '--out', str(tmp_path / 'lists')])
    assert '3 images, 1 without a class left out' in capsys.readouterr().out
    data = ImageListDataset(
        str(tmp_path / 'lists' / 'trainval.txt'), data_root=str(source), num_classes=20
    )
    infos = [data.get_data_info(i) for i in range(len(data))]
    for info in infos:
        marks = TRUTH[Path(info['img_path']).stem]
        assert Path(info['img_path']).is_file()
        assert {CLASSES[k] for k in info['gt_label']} == {n for n, m in marks.items() if m}
        assert {CLASSES[k] for k in info['ignored_label']} == {n for n, m in marks.items() if not m}
    assert len(infos) == 3


@pytest.mark.parametrize(
    ('name', 'text', 'message'),
    [
        ('cat', None, r'No such file.*cat_trainval\.txt'),
        (
            'cat',
            '000005 1\n000007 2\n',
            r"cat_trainval\.txt, line 2: '000007 2'; expected the name",
        ),
        (
            'cat',
            '000005 1\n000005 1\n',
            r'cat_trainval\.txt, line 2: .* expected the name of another',
        ),
        ('cat', '000005 1\n', r'cat_trainval\.txt and .*aeroplane_trainval\.txt are of different'),
    ],
)
def test_lists_that_are_no_such_lists_are_named(source, name, text, message):
    path = source / 'ImageSets' / 'Main' / f'{name}_trainval.txt'
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(SystemExit, match=message):
        main([str(source), '--splits', 'trainval'])
    assert not (source / 'trainval.txt').exists()


def test_a_missing_image_is_named(source):
    (source / 'JPEGImages' / '000007.jpg').unlink()
    with pytest.raises(SystemExit, match=r'000007\.jpg: no such file'):
        main([str(source), '--splits', 'trainval'])
