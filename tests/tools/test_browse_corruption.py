import runpy
from pathlib import Path

import pytest
from photo_files import write_photo
from PIL import Image

pytest.importorskip('mmseg')
TOOL = Path(__file__).resolve().parents[2] / 'tools' / 'browse_corruption.py'
main = runpy.run_path(str(TOOL))['main']


def test_a_sheet_for_each_photo(tmp_path, capsys):
    photos = [str(write_photo(tmp_path / f'{i}.jpg', (60, 90), i)) for i in range(2)]
    main([*photos, '--output-dir', str(tmp_path / 'out'), '--sigma', '0.22', '0.8'])
    sheets = sorted((tmp_path / 'out').iterdir())
    assert [sheet.name for sheet in sheets] == ['0_corruption.png', '1_corruption.png']
    assert Image.open(sheets[0]).width > 600
    text = capsys.readouterr().out
    assert 'gamma 0.954, sigma 0.22: noise of 12.8, 12.6, 12.6 gray levels' in text


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['none.jpg'], r'none\.jpg cannot be read'),
        (['{photo}', '--config', 'c.py'], '--config and --checkpoint are given together'),
        (['{photo}', '--gamma', '1.5'], 'must lie between 0'),
    ],
)
def test_errors_are_told_without_a_traceback(tmp_path, arguments, message):
    photo = str(write_photo(tmp_path / 'a.jpg'))
    arguments = [each.format(photo=photo) for each in arguments]
    with pytest.raises(SystemExit, match=message):
        main([*arguments, '--output-dir', str(tmp_path / 'out')])
