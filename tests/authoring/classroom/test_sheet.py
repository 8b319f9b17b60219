import re
import shutil
import subprocess

import pytest

from course_utils.authoring.classroom import sheet

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


def test_code_is_marked_and_all_else_escaped():
    assert sheet._html("a < `b < c`") == "a &lt; <code>b &lt; c</code>"


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no browser to print with")
def test_it_prints_on_two_sides_of_a4(tmp_path):
    page, pdf = tmp_path / "sheet.html", tmp_path / "sheet.pdf"
    page.write_text(sheet.printable(), "utf-8")
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer")
    command = [CHROMIUM, *options, f"--print-to-pdf={pdf}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes())) == 2
