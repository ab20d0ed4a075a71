"""A headless Chromium that measures pages: what a reader of the documentation sees, at any width."""

import html
import json
import re
import shutil
import subprocess

CHROMIUM = next(
    filter(None, map(shutil.which, ('chromium', 'chromium-browser', 'google-chrome'))), None
)
HEIGHT = 844  # of the windows, in pixels; that of a telephone
# All pages lie in frames of one page, whose width is theirs: a window of its own is never as narrow as that
# of a telephone. It is replaced by what was found, [page, width, problems, links of the navigation in sight].
_PAGE = """<!doctype html><meta charset="utf-8"><body><script>
const frames = FRAMES.map(([page, address, width]) => {
  const frame = document.createElement('iframe');
  frame.src = address;
  frame.width = width;
  frame.height = HEIGHT;
  return document.body.appendChild(frame), [page, width, frame];
});

function problems(page, width) {
  const found = [];
  const view = page.defaultView;
  const name = (element) => `${element.tagName.toLowerCase()} ${element.textContent.trim().slice(0, 30)}`;
  const overflow = (element) => view.getComputedStyle(element).overflowX;
  const scrolls = (element) => ['auto', 'scroll'].includes(overflow(element));
  if (page.documentElement.scrollWidth > width)
    found.push(`the page is ${page.documentElement.scrollWidth} pixels wide`);
  for (const element of page.body.querySelectorAll('*')) {
    if (!element.checkVisibility()) continue;
    // Hidden from eyes, for screen readers, is what is a pixel wide.
    const cut = element.clientWidth > 1 && element.scrollWidth > element.clientWidth + 1;
    if (cut && ['hidden', 'clip'].includes(overflow(element)) && !element.closest('svg'))
      found.push(`cut: ${name(element)}`);
    const { left, right } = element.getBoundingClientRect();
    // What lies outside as a whole is a drawer that has not been opened.
    if ((left < -1 && right > 1) || (right > width + 1 && left < width - 1)) {
      let parent = element.parentElement;
      while (parent && !scrolls(parent)) parent = parent.parentElement;
      if (!parent) found.push(`wider than the window: ${name(element)}`);
    }
  }
  for (const image of page.images)
    if (!image.complete || !image.naturalWidth) found.push(`not loaded: ${image.getAttribute('src')}`);
  return found;
}

function linksInSight(page, width) {
  return [...page.querySelectorAll('nav a, aside a, [role=navigation] a')].filter((link) => {
    const { left, right, top, bottom } = link.getBoundingClientRect();
    return link.checkVisibility() && left >= 0 && right <= width && top >= 0 && bottom <= HEIGHT;
  }).length;
}

function navigation(page, width) {
  const links = linksInSight(page, width);
  if (links) return links;
  const style = page.head.appendChild(page.createElement('style'));
  style.textContent = '* { transition: none !important }';
  const button = [...page.querySelectorAll('label, button')].find((element) => {
    const { width, height, top } = element.getBoundingClientRect();
    const name = (element.control ?? element).ariaLabel + element.textContent;
    return element.checkVisibility() && width && height && top < HEIGHT && /navigation/i.test(name);
  });
  if (button) button.click();
  return linksInSight(page, width);
}

window.onload = () => {
  document.body.textContent = JSON.stringify(frames.map(([page, width, frame]) => {
    const content = frame.contentDocument;
    return [page, width, problems(content, width), navigation(content, width)];
  }));
};
</script>"""


def look_at(pages, widths, folder):
    """Open pages side by side; an empty ``folder`` takes the page that measures and Chromium's profile.

    Returns:
        dict: (path of the page, width in pixels) -> (list of problems, number of links of the navigation
        that are in sight, where need be after a click on the button that opens it).
    """
    frames = [[str(page), page.resolve().as_uri(), width] for page in pages for width in widths]
    path = folder / 'all.html'
    text = _PAGE.replace('FRAMES', json.dumps(frames)).replace('HEIGHT', str(HEIGHT))
    path.write_text(text, encoding='utf-8')
    done = subprocess.run(
        [
            *(CHROMIUM, '--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars'),
            *('--allow-file-access-from-files', f'--user-data-dir={folder / "profile"}'),
            *('--virtual-time-budget=5000', '--dump-dom', path.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=300,
    )
    found = re.search(r'<body>(\[.*\])</body>', done.stdout, re.DOTALL)
    assert found, f'Chromium measured nothing: {done.stdout[-2000:]}\n{done.stderr[-2000:]}'
    rows = json.loads(html.unescape(found[1]))
    return {(page, width): (problems, links) for page, width, problems, links in rows}
