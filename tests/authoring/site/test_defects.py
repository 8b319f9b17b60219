"""Each defect of a page is found, and a sound page has none."""

import pytest

from course_utils.authoring.site.defects import defects

SOUND = """\
<html><head><link rel="stylesheet" href="_static/a.css?v=1">
<link rel="next" href="deep/b.html"><script src="_static/a.js"></script></head>
<body id="top"><a href="#top">top</a> <a href="deep/b.html#part%201">part</a>
<a href="https://example.org/x">elsewhere</a> <a href="mailto:a@b.c">write</a>
<img src="_static/a.png" alt="A curve falls"> <img src="data:image/png;base64,AA"
alt="A dot"> <a href="deep/">folder</a></body></html>
"""


@pytest.fixture
def site(tmp_path):
    (tmp_path / "_static").mkdir()
    (tmp_path / "deep").mkdir()
    (tmp_path / "_static/a.css").write_text("p { background: url(a.png) }")
    for name in ("_static/a.js", "_static/a.png"):
        (tmp_path / name).touch()
    (tmp_path / "deep/b.html").write_text('<h1 id="part 1"></h1><a href="../a.html">')
    (tmp_path / "deep/index.html").write_text("<p>Nothing</p>")
    (tmp_path / "a.html").write_text(SOUND)
    return tmp_path


def test_a_sound_site_has_none(site):
    assert defects(site) == []


@pytest.mark.parametrize(
    ("element", "complaint"),
    [
        ('<a href="c.html">', "a.html links to c.html, which is not there"),
        ('<a href="#c">', "a.html links to #c, which is not there"),
        ('<a href="deep/b.html#c">', "a.html links to deep/b.html#c, which is not"),
        ('<a href="_static/">', "a.html links to _static/, which is not there"),
        ('<img src="c.png" alt="c">', "a.html loads c.png, which is not there"),
        ('<img src="_static/a.png">', "a.html shows _static/a.png without a text"),
        ('<img src="_static/a.png" alt=" ">', "a.html shows _static/a.png without"),
        ('<script src="https://x.org/a.js">', "a.html asks another host for https://x"),
        ('<img src="//x.org/a.png" alt="a">', "a.html asks another host for //x.org"),
        ('<iframe src="http://x.org/">', "a.html asks another host for http://x.org/"),
        (
            '<link rel="preload stylesheet" href="https://x.org/a.css">',
            "a.html asks another host for https://x.org/a.css",
        ),
        (
            "<style>@import 'https://x.org/a.css';</style>",
            "a.html asks another host for https://x.org/a.css",
        ),
    ],
)
def test_a_defect_of_a_page_is_named(site, element, complaint):
    (site / "a.html").write_text(SOUND + element)
    [found] = defects(site)
    assert found.startswith(complaint)


def test_a_style_sheet_that_asks_another_host_is_named(site):
    sheet = "@font-face { src: url('https://x.org/a.woff2') }"
    (site / "_static/a.css").write_text(sheet)
    assert defects(site) == [
        "_static/a.css asks another host for https://x.org/a.woff2"
    ]


def test_an_empty_folder_is_no_site(tmp_path):
    with pytest.raises(ValueError, match="Expected HTML pages"):
        defects(tmp_path)
