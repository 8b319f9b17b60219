"""Paragraphs of a lesson, as slides and the instructor's pages show them."""

import re

WORDS = 60  # of a paragraph on a slide
_ASKED = re.compile(r"^\*\*Predict[^*]*\*\*", re.MULTILINE)
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_SENTENCE = re.compile(r"(?<=[.?!:)])\s+(?=[A-Z*`(])")


def plain(text: str) -> str:
    r"""Return Markdown without links and line breaks inside a paragraph.

    Example:
        >>> plain("See [lesson 04](04_logging.ipynb)\nfor more.")
        'See lesson 04 for more.'
    """
    paragraphs = _LINK.sub(r"\1", text).strip().split("\n\n")
    lists = ("- ", "1. ", "| ", "```")
    return "\n\n".join(
        each if each.startswith(lists) else " ".join(each.split())
        for each in paragraphs
    )


def literal(text: str) -> str:
    """Return plain text as Markdown: names between underscores become code.

    Example:
        >>> literal("call __init__ and `__len__`")
        'call `__init__` and `__len__`'
    """
    return re.sub(r"(?<![`\w])__\w+?__(?![`\w])", r"`\g<0>`", text)


def beginning(text: str, words: int = WORDS) -> str:
    """Return the first sentences that have at most so many words, at least one.

    Example:
        >>> beginning("One two. Three four. Five six.", words=4)
        'One two. Three four.'
    """
    sentences = _SENTENCE.split(text)
    taken = sentences[:1]
    for sentence in sentences[1:]:
        if len(" ".join([*taken, sentence]).split()) > words:
            break
        taken.append(sentence)
    return " ".join(taken)


def paragraph(prose: str, begins: str) -> str:
    """Return the paragraph that begins with these words in bold, without them.

    Raises:
        ValueError: If there is none.
    """
    _, found, after = prose.partition(f"**{begins}**")
    if not found:
        raise ValueError(f"Expected a paragraph that begins with **{begins}**.")
    return plain(after.split("\n\n")[0])


def prediction(prose: str) -> tuple[str, str, dict[str, str]]:
    """Return the situation, what is asked, and the options by letter.

    Raises:
        ValueError: If the text asks for no prediction.
    """
    asked = _ASKED.search(prose)
    if asked is None:
        raise ValueError("Expected a paragraph that begins with **Predict.**")
    after = prose[asked.end() :]
    first = after.index("\n- **a**")
    listed = after[first:].lstrip("\n").split("\n\n")[0]
    options = re.split(r"\n(?=- \*\*)", listed)
    letters = {each[4]: plain(each[8:]).rstrip(";.") for each in options}
    situation = "\n".join(prose[: asked.start()].split("\n")[1:])
    return plain(situation), plain(after[:first]), letters
