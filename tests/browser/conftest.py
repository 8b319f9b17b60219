"""The system's Chromium, driven by Playwright; no browser is downloaded."""

import shutil

import pytest
from watched_page import MILLISECONDS

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Whatever else is asked for has no address, and so is an error on the console.
ALONE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


@pytest.fixture(scope="module")
def browser():
    """Start Chromium, for one module: Playwright keeps an event loop running."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        pytest.skip(
            f"Expected a browser on the PATH ({', '.join(NAMES)}) but found none: "
            "install one, for example by `apt-get install chromium`, and try again."
        )
    why = "Playwright is missing: run `python -m pip install -e '.[browser]'`."
    api = pytest.importorskip("playwright.sync_api", reason=why)
    pytest.importorskip("axe_playwright_python", reason=why)
    api.expect.set_options(timeout=MILLISECONDS)
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=[ALONE])
        yield started
        started.close()
