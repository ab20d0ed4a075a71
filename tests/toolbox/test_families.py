"""Verdicts on installed families, commands that mend them, and registration."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from mmengine.config import Config

from labelenc_mm import toolbox
from labelenc_mm.toolbox import __main__ as command_line
from labelenc_mm.toolbox import families, registration

FORK = {
    'torch': '2.13.0',
    'onedl-mmengine': '0.10.12',
    'onedl-mmcv': '2.3.6',
    'onedl-mmdetection': '3.5.1',
    'onedl-mmsegmentation': '1.4.2',
}
UPSTREAM = {
    'torch': '2.13.0',
    'mmengine': '0.10.7',
    'mmcv': '2.1.0',
    'mmdet': '3.3.0',
    'mmsegmentation': '1.2.2',
}
NOTHING = {'torch': '2.13.0'}
# What the names above install into, and what each requires of the same family.
MODULES = {dist: part.module for part in families.PARTS for dist in part.dists.values()}
REQUIRES = {'mmcv': 'mmengine', 'onedl-mmcv': 'onedl-mmengine'}


@pytest.fixture(autouse=True)
def _no_source_trees(monkeypatch):
    """Judge by the given versions alone, whatever this environment can import."""
    monkeypatch.setattr(families.importlib.util, 'find_spec', lambda name: None)


def states(versions):
    findings = families.inspect_parts(versions.get)
    return findings['mmengine'].family, [finding.state for finding in findings.values()]


def without(versions, *dists):
    return {name: version for name, version in versions.items() if name not in dists}


def pip(command, versions):
    """Carry out a mending command on a dict of versions, as pip would.

    Asserts what must never happen: a distribution that arrives while another one with the same
    import name is still installed, also as the requirement of another.
    """
    versions = dict(versions)
    for call in command.split(' && '):
        if call.startswith('pip uninstall -y '):
            for dist in call.split()[3:]:
                del versions[dist]
            continue
        assert call.startswith('pip install ')
        wanted = dict(re.findall(r'"([\w-]+)==([\w.]+)"', call))
        for dist in list(wanted):
            if REQUIRES.get(dist, dist) not in {**versions, **wanted}:
                wanted[REQUIRES[dist]] = '0.10.7'
        for dist, version in wanted.items():
            same = [name for name in versions if MODULES.get(name) == MODULES[dist]]
            assert same in ([], [dist]), f'{dist} would be installed over {same}'
            versions[dist] = version
    return versions


def test_complete_families():
    assert states(FORK) == ('fork', ['ok'] * 4)
    assert states(UPSTREAM) == ('upstream', ['ok'] * 4)


@pytest.mark.parametrize(
    ('versions', 'family', 'expected'),
    [
        (NOTHING, 'fork', ['missing'] * 4),
        (without(UPSTREAM, 'mmcv'), 'upstream', ['ok', 'missing', 'ok', 'ok']),
        (without(FORK, 'onedl-mmsegmentation'), 'fork', ['ok', 'ok', 'ok', 'missing']),
        ({**FORK, 'mmengine': '0.10.7'}, 'fork', ['doubled', 'ok', 'ok', 'ok']),
        ({**UPSTREAM, 'onedl-mmcv': '2.3.6'}, 'upstream', ['ok', 'doubled', 'ok', 'ok']),
        ({**UPSTREAM, 'mmcv-lite': '2.1.0'}, 'upstream', ['ok', 'doubled', 'ok', 'ok']),
        (
            {**without(UPSTREAM, 'mmcv'), 'mmcv-full': '1.7.0'},
            'upstream',
            ['ok', 'mixed', 'ok', 'ok'],
        ),
        (
            {**without(FORK, 'onedl-mmengine'), 'mmengine': '0.10.7'},
            'fork',
            ['mixed', 'ok', 'ok', 'ok'],
        ),
        ({**UPSTREAM, 'mmdet': '2.28.2'}, 'upstream', ['ok', 'ok', 'too old', 'ok']),
        ({**UPSTREAM, 'mmcv': '2.0.0rc4'}, 'upstream', ['ok', 'too old', 'ok', 'ok']),
        ({**UPSTREAM, 'mmengine': '0.7.0'}, 'upstream', ['too old', 'ok', 'ok', 'ok']),
        ({**FORK, 'onedl-mmdetection': '3.10.0'}, 'fork', ['ok', 'ok', 'untested', 'ok']),
        ({**FORK, 'onedl-mmcv': FORK['onedl-mmcv'] + '+pt213cu126'}, 'fork', ['ok'] * 4),
        ({**FORK, **UPSTREAM}, 'fork', ['doubled'] * 4),
    ],
)
def test_every_fault_is_found_and_its_command_mends_it(versions, family, expected):
    assert states(versions) == (family, expected)
    command = families.mending_command(families.inspect_parts(versions.get).values())
    if expected in (['ok'] * 4, ['ok', 'ok', 'untested', 'ok']):
        assert command == ''
        return
    mended = pip(command, versions)
    assert states(mended) == (family, ['ok'] * 4)
    assert mended['torch'] == '2.13.0'


def test_mmcv_is_compiled_against_the_installed_torch():
    for versions in (NOTHING, without(UPSTREAM, 'mmcv')):
        command = families.mending_command(families.inspect_parts(versions.get).values())
        assert '--no-build-isolation' in command
    only_mmdet = without(UPSTREAM, 'mmdet')
    command = families.mending_command(families.inspect_parts(only_mmdet.get).values())
    assert command == 'pip install "mmdet==3.3.0"'


def test_source_tree_without_metadata_is_usable(monkeypatch):
    monkeypatch.setattr(families.importlib.util, 'find_spec', lambda name: name == 'mmdet' or None)
    family, found = states(without(UPSTREAM, 'mmdet'))
    assert (family, found) == ('upstream', ['ok', 'ok', 'source', 'ok'])


@pytest.mark.parametrize(
    ('versions', 'sound', 'words'),
    [
        (FORK, True, ['fork', 'onedl-mmcv 2.3.6: ok', 'All that is needed']),
        (without(FORK, 'onedl-mmsegmentation'), True, ['mmseg     -: missing', 'pip install']),
        (NOTHING, False, ['none installed', 'mmdet     -: missing', '"onedl-mmcv==2.3.6"']),
        ({**UPSTREAM, 'onedl-mmcv': '2.3.6'}, False, ['doubled', 'pip uninstall -y onedl-mmcv']),
        (without(FORK, 'torch'), False, ['pip install torch']),
        ({**UPSTREAM, 'torch': '2.1.0'}, True, ['before torch 2.6', 'CVE-2025-32434', 'opt-out']),
        ({**UPSTREAM, 'torch': '2.0.1'}, False, ['older than 2.1', 'pip install torch']),
    ],
)
def test_report(versions, sound, words):
    text, verdict = command_line.report(versions.get, lambda module: None)
    assert verdict is sound
    for word in words:
        assert word in text


def test_report_names_a_part_that_fails_to_import():
    error = OSError('undefined symbol: _ZN2at')
    text, sound = command_line.report(FORK.get, lambda module: error if module == 'mmcv' else None)
    assert not sound
    assert 'mmcv      onedl-mmcv 2.3.6: broken' in text
    assert 'OSError: undefined symbol' in text
    assert '--force-reinstall --no-deps' in text


def use(monkeypatch, versions, **import_errors):
    findings = families.inspect_parts(versions.get)
    monkeypatch.setattr(registration, 'inspect_parts', lambda: findings)
    monkeypatch.setattr(registration, 'try_import', lambda module: import_errors.get(module))
    monkeypatch.setattr(registration, '_warned', set())


def test_require_names_part_and_remedy(monkeypatch):
    use(monkeypatch, without(UPSTREAM, 'mmdet', 'mmsegmentation'))
    toolbox.require('mmengine', 'mmcv')
    # mmseg may be missing on purpose: asking for mmdet does not suggest it.
    with pytest.raises(ImportError, match=r'mmdet \(-\): missing.*pip install "mmdet==3.3.0"$'):
        toolbox.require('mmengine', 'mmdet')

    use(monkeypatch, {**UPSTREAM, 'onedl-mmcv': '2.3.6'})
    with pytest.raises(ImportError, match=r'doubled.*pip uninstall -y onedl-mmcv mmcv &&'):
        toolbox.require('mmcv')

    use(monkeypatch, {**UPSTREAM, 'mmcv': '2.2.0'}, mmdet=AssertionError('MMCV==2.2.0 is used'))
    with (
        pytest.warns(UserWarning, match=r'mmcv 2\.2\.0.*untested'),
        pytest.raises(ImportError, match=r'AssertionError: MMCV==2\.2\.0 is used'),
    ):
        toolbox.require('mmcv', 'mmdet')


def test_untested_version_warns_once_and_works(monkeypatch, recwarn):
    use(monkeypatch, {**FORK, 'onedl-mmdetection': '4.0.0'})
    for _ in range(3):
        toolbox.require('mmdet')
    messages = [str(warning.message) for warning in recwarn]
    assert len(messages) == 1
    assert 'onedl-mmdetection 4.0.0' in messages[0]


def run_python(code, *arguments, **options):
    return subprocess.run(
        [sys.executable, '-W', 'error::RuntimeWarning', *arguments, '-c', textwrap.dedent(code)],
        capture_output=True,
        text=True,
        cwd=Path(toolbox.__file__).parents[2],
        timeout=600,
        **options,
    )


def test_package_imports_without_any_toolbox():
    result = run_python("""
        import importlib.abc, importlib.metadata, runpy, sys

        class Hidden(importlib.abc.MetaPathFinder):
            def find_spec(self, name, path=None, target=None):
                if name.split('.')[0] in ('mmengine', 'mmcv', 'mmdet', 'mmseg'):
                    raise ModuleNotFoundError(f'No module named {name!r}', name=name)

        version = importlib.metadata.version
        def hidden_version(dist):
            if 'mm' in dist:
                raise importlib.metadata.PackageNotFoundError(dist)
            return version(dist)

        importlib.metadata.version = hidden_version
        importlib.util = __import__('importlib.util').util
        find_spec = importlib.util.find_spec
        importlib.util.find_spec = lambda name, package=None: (
            None if name in ('mmengine', 'mmcv', 'mmdet', 'mmseg') else find_spec(name, package))
        sys.meta_path.insert(0, Hidden())
        import labelenc_mm
        try:
            labelenc_mm.toolbox.require('mmdet')
        except ImportError as error:
            print('refused:', error)
        runpy.run_module('labelenc_mm.toolbox', run_name='__main__')
    """)
    assert result.returncode == 1, result.stderr
    assert 'refused: labelenc_mm cannot use mmdet (-): missing' in result.stdout
    assert '"onedl-mmengine==0.10.12"' in result.stdout


def test_registries_import_us_only_when_asked():
    result = run_python("""
        import sys
        import labelenc_mm
        from mmdet.registry import MODELS
        assert 'labelenc_mm.detection' not in sys.modules
        assert 'mmdet.models' not in sys.modules
        first = list(MODELS._locations)
        import importlib
        importlib.reload(labelenc_mm)
        assert MODELS._locations == first, 'registered twice'
        assert MODELS.get('RetinaNet') is not None
        assert MODELS.get('LabelEncRetinaNet') is not None
    """)
    assert result.returncode == 0, result.stderr


def test_registries_that_were_used_before_us():
    result = run_python("""
        from mmdet.registry import HOOKS, MODELS
        assert MODELS.get('LabelEncRetinaNet') is None
        import labelenc_mm
        assert MODELS.get('LabelEncRetinaNet') is not None
        assert HOOKS.get('LabelEncHook') is not None
    """)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    'base',
    [
        'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py',
        'mmseg::pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-512x1024.py',
    ],
)
def test_configs_of_both_toolboxes_resolve(tmp_path, base, monkeypatch):
    monkeypatch.undo()  # mmengine itself looks the modules up
    config = tmp_path / 'config.py'
    config.write_text(f'_base_ = {base!r}')
    assert Config.fromfile(config).model.backbone.depth == 50
