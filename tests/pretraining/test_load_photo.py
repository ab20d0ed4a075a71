import mmcv
import numpy as np
import pytest
from photo_files import picture, truncate, write_photo
from PIL import Image

from labelenc_mm.pretraining import LoadPhoto, PhotoError
from labelenc_mm.segmentation import JointRandomResizedCrop


def load(path, **options):
    return LoadPhoto(**options)(dict(img_path=str(path)))


def test_a_photo_is_read_as_by_the_toolbox(tmp_path):
    path = write_photo(tmp_path / 'a.png')
    result = load(path)
    assert np.array_equal(result['img'], mmcv.imread(path))
    assert result['img'].flags.c_contiguous
    assert result['img_shape'] == result['ori_shape'] == (48, 64)
    jpeg = write_photo(tmp_path / 'a.jpg', (200, 300), quality=90)
    difference = load(jpeg)['img'].astype(int) - mmcv.imread(jpeg)
    assert np.abs(difference).mean() < 1  # decoders round differently


@pytest.mark.parametrize(
    ('size', 'reduce_to', 'expected'),
    [
        ((400, 600), 100, (100, 150)),
        ((400, 600), 101, (200, 300)),
        ((400, 600), 201, (400, 600)),
        ((400, 600), 10, (50, 75)),
        ((600, 400), 100, (150, 100)),
        ((50, 60), 200, (50, 60)),
        ((400, 600), None, (400, 600)),
    ],
)
def test_jpegs_are_reduced_as_far_as_allowed(tmp_path, size, reduce_to, expected):
    path = write_photo(tmp_path / 'a.jpg', size, quality=95)
    result = load(path, reduce_to=reduce_to)
    assert result['img'].shape[:2] == expected
    whole = Image.fromarray(picture(size)).resize(expected[::-1], Image.Resampling.BOX)
    difference = result['img'][..., ::-1].astype(int) - np.asarray(whole)
    assert np.abs(difference).mean() < 4


def test_gray_photos_have_three_equal_channels(tmp_path):
    gray = picture()[..., 0]
    for name, content in {
        'a.jpg': Image.fromarray(gray),
        'a.png': Image.fromarray(gray).convert('LA'),
        'rgb.png': Image.fromarray(np.stack([gray] * 3, -1)),
    }.items():
        content.save(tmp_path / name)
        result = load(tmp_path / name)
        assert result['is_gray'] is True
        assert np.array_equal(result['img'][..., 0], result['img'][..., 2])
    one = np.stack([gray] * 3, -1)
    one[47, 63, 0] ^= 1  # a single pixel, which a coarse look does not see
    Image.fromarray(one).save(tmp_path / 'one.png')
    assert load(tmp_path / 'one.png')['is_gray'] is False


def test_other_kinds_of_images(tmp_path):
    rgb = picture()
    alpha = np.dstack([rgb, np.full(rgb.shape[:2], 7, np.uint8)])
    Image.fromarray(alpha).save(tmp_path / 'alpha.png')
    assert np.array_equal(load(tmp_path / 'alpha.png')['img'], rgb[..., ::-1])
    deep = rgb[..., 0].astype(np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / 'deep.png')
    assert np.array_equal(load(tmp_path / 'deep.png')['img'][..., 1], rgb[..., 0])
    mmcv.imwrite(rgb[..., ::-1].astype(np.uint16) * 257, str(tmp_path / 'colors.png'))
    assert np.array_equal(load(tmp_path / 'colors.png')['img'], rgb[..., ::-1])


def test_colors_of_a_palette_and_of_print_are_those_of_the_decoder(tmp_path):
    few = Image.fromarray(picture()).quantize(7)
    few.save(tmp_path / 'palette.png')
    expected = np.asarray(few.convert('RGB'))[..., ::-1]
    assert np.array_equal(load(tmp_path / 'palette.png')['img'], expected)
    few.save(tmp_path / 'clear.png', transparency=0)
    assert np.array_equal(load(tmp_path / 'clear.png')['img'], expected)
    printed = Image.fromarray(picture()).convert('CMYK')
    printed.save(tmp_path / 'print.tif')
    expected = np.asarray(printed.convert('RGB'))[..., ::-1]
    assert np.array_equal(load(tmp_path / 'print.tif')['img'], expected)
    assert np.abs(expected.astype(int) - picture()[..., ::-1]).mean() < 2  # not inverted


def test_photos_are_turned_as_their_exif_data_say(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    path = tmp_path / 'turned.jpg'
    Image.fromarray(picture()).save(path, exif=exif, quality=95)
    assert load(path)['img'].shape == mmcv.imread(path).shape == (64, 48, 3)


def test_tiny_photos(tmp_path):
    path = write_photo(tmp_path / 'tiny.png', (10, 20))
    assert load(path)['img'].shape == (10, 20, 3)
    assert load(path, min_side=32)['img'].shape == (32, 64, 3)
    with pytest.raises(PhotoError, match=r'tiny\.png is 20x10 pixels, below the 32'):
        load(path, min_side=32, on_tiny='error')


@pytest.mark.parametrize('suffix', ['.jpg', '.png'])
def test_truncated_files_are_errors_that_name_them(tmp_path, suffix):
    path = truncate(write_photo(tmp_path / f'cut{suffix}', (200, 300)), 0.7)
    with pytest.raises(PhotoError, match=rf'cut\{suffix} is truncated or no image'):
        load(path)


def test_what_is_no_image_or_not_there(tmp_path):
    (tmp_path / 'text.jpg').write_text('hello')
    (tmp_path / 'empty.jpg').touch()
    for name in ('text.jpg', 'empty.jpg'):
        with pytest.raises(PhotoError, match=rf'{name} is truncated or no image'):
            load(tmp_path / name)
    with pytest.raises(PhotoError, match=r'gone\.jpg cannot be read'):
        load(tmp_path / 'gone.jpg')


@pytest.mark.parametrize('options', [dict(on_tiny='crop'), dict(min_side=0), dict(reduce_to=0)])
def test_options_that_are_refused(options):
    with pytest.raises(ValueError, match='LoadPhoto'):
        LoadPhoto(**options)


@pytest.mark.parametrize('kind', [np.float32, np.int32])
def test_images_of_unknown_white_are_refused(tmp_path, kind):
    Image.fromarray(picture()[..., 0].astype(kind)).save(tmp_path / 'deep.tif')
    with pytest.raises(PhotoError, match=r'deep\.tif .*32 bits a channel'):
        load(tmp_path / 'deep.tif')


def test_no_box_is_enlarged_at_the_documented_reduction():
    crop = JointRandomResizedCrop(224)
    np.random.seed(0)  # noqa: NPY002
    sides = [crop.draw_box((915, 915))[2:] for _ in range(5000)]
    smallest = np.min(sides)
    assert 224 <= smallest < 230
