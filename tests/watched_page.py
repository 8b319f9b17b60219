"""A page in a browser that notes what a reader's browser would complain of."""

from urllib.parse import urlsplit

HERE = {"127.0.0.1", None}  # None: an address inside the page, as of an image
MILLISECONDS = 300_000  # for one step, on a busy machine
# What fades in is as pale as it begins, until it has come.
UNFOLD = """() => {
    for (const each of document.querySelectorAll("details")) each.open = true;
    for (const each of document.getAnimations()) each.finish();
}"""
# In code, axe-core would compare each of thousands of words with its ground. One of
# each kind in each kind of frame is enough; the others become plain text.
ONE_OF_A_KIND = """() => {
    const seen = new Set();
    for (const word of document.querySelectorAll(".highlight pre span")) {
        const kind = word.className + " in " + word.closest(".highlight").parentElement
            .parentElement.className;
        if (seen.has(kind)) word.replaceWith(...word.childNodes);
        seen.add(kind);
    }
}"""
WEIGHTY = {"serious", "critical"}


def open_page(browser, complaints: list[str], **options):
    """Return a new page; errors on its console and requests elsewhere are added.

    Args:
        browser: Playwright's.
        complaints: Where a line is added for each.
        options: Of the page's context, such as its ``viewport``.
    """
    context = browser.new_context(**options)
    context.set_default_timeout(MILLISECONDS)

    def on_console(message) -> None:
        if message.type == "error":
            at = message.page.url if message.page else ""
            complaints.append(f"{at}: {message.text} ({message.location['url']})")

    def on_request(request) -> None:
        if urlsplit(request.url).hostname not in HERE:
            complaints.append(f"asks for {request.url}")

    context.on("console", on_console)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.on("request", on_request)
    return context.new_page()


def barriers(
    page,
    where: str = "",
    only: tuple[str, ...] = (),
    allowed: tuple[str, ...] = (),
) -> list[str]:
    """Return what axe-core finds serious: what keeps somebody from reading the page.

    Args:
        page: Playwright's; what is folded is opened there, and code is thinned.
        where: Selector of the parts to look at, by default all.
        only: The rules to apply, by default all.
        allowed: Rules that are somebody else's to keep.
    """
    from axe_playwright_python.sync_playwright import Axe

    page.evaluate(UNFOLD)
    page.evaluate(ONE_OF_A_KIND)
    rules = {each: {"enabled": False} for each in allowed}
    options = {"resultTypes": ["violations"], "rules": rules}
    if only:
        options["runOnly"] = only
    found = Axe().run(page, where or None, options).response["violations"]
    return [
        f"{rule['id']}: {node['target']} {node['html'][:200]}"
        for rule in found
        if rule["impact"] in WEIGHTY
        for node in rule["nodes"]
    ]
