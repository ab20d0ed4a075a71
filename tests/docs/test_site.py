"""The documentation builds without a warning, and every link inside it leads somewhere."""

import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]


def build(source, target):
    """Build the site as CONTRIBUTING says; the finished process."""
    return subprocess.run(
        [sys.executable, '-m', 'sphinx', '-W', '-n', '-q', '-c', source / 'docs', source, target],
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    target = tmp_path_factory.mktemp('site')
    done = build(ROOT, target)
    assert done.returncode == 0, done.stderr
    return target


class Links(HTMLParser):
    """The addresses that a page refers to, and the anchors that it has."""

    def __init__(self, path):
        super().__init__()
        self.targets, self.anchors = [], set()
        self.feed(path.read_text(encoding='utf-8'))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.targets += [attributes[key] for key in ('href', 'src') if attributes.get(key)]
        self.anchors.update(attributes[key] for key in ('id', 'name') if attributes.get(key))


def broken_links(folder):
    """Links from the pages of a folder to files or anchors that are not there; no network."""
    pages = {path.resolve(): Links(path) for path in folder.rglob('*.html')}
    broken = []
    for path, links in pages.items():
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            file = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not file.is_file() or (
                anchor and file in pages and anchor not in pages[file].anchors
            ):
                broken.append(f'{path.relative_to(folder.resolve())}: {target}')
    return broken


def test_internal_links(site):
    assert broken_links(site) == []


def test_broken_links_are_seen(tmp_path):
    (tmp_path / 'a.html').write_text(
        '<h1 id="x"><a href="#x"></a><a href="#y"></a><a href="b.html#z"></a><img src="c.png">'
        '<a href="https://example.org/no"></a>'
    )
    (tmp_path / 'b.html').write_text('<p>')
    assert broken_links(tmp_path) == ['a.html: #y', 'a.html: b.html#z', 'a.html: c.png']


def test_every_broken_link_stops_the_build(tmp_path):
    (tmp_path / 'docs').mkdir()
    shutil.copy2(ROOT / 'docs' / 'conf.py', tmp_path / 'docs')
    shutil.copytree(ROOT / 'docs' / 'site_root', tmp_path / 'docs' / 'site_root')
    faults = [
        '[x](no_such_page.md)',
        '[x](index.md#no-such-heading)',
        '![x](no.png)',
        '[x](site_root)',
    ]
    (tmp_path / 'docs' / 'index.md').write_text('\n\n'.join(['# Title', '[ok](#title)', *faults]))
    done = build(tmp_path, tmp_path / 'site')
    assert done.returncode != 0
    for line in (5, 7, 9, 11):
        assert f'index.md:{line}: WARNING' in done.stderr
    assert 'index.md:3' not in done.stderr


def test_every_page_is_in_the_table_of_contents(site):
    contents = Links(site / 'docs' / 'index.html').targets
    linked = {(site / 'docs' / urlsplit(target).path).resolve() for target in contents}
    pages = {path.resolve() for path in site.rglob('*.html') if path.parent != site}
    assert pages - linked == {(site / 'docs' / 'index.html').resolve()}
