"""Sphinx reads this beside the pages that `course_utils.authoring.site` lays out."""

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx

project = "PyTorch Lightning practices, measured"
copyright = "its authors. Code MIT, prose and figures CC BY 4.0"
html_title = project
extensions = ["myst_nb"]
exclude_patterns = ["README.md"]  # index.md includes it

nb_execution_mode = "off"  # the outputs are those that were stored
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
# The anchors that JupyterLab gives to headings, so that links work in both.
myst_heading_slug_func = "course_utils.formatting.anchor"

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["course.css"]
html_js_files = [("course.js", {"defer": "defer"})]
html_favicon = "_static/icon.svg"  # a browser asks for one
html_copy_source = False
html_math_renderer = "mathml"  # MathJax would come from another host


def _formula(translator, node: nodes.math) -> None:
    translator.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _block(translator, node: nodes.math_block) -> None:
    translator.body.append(tex2mathml(node.astext(), as_block=True))
    raise nodes.SkipNode


def _name_folds(app, page, template, context, doctree) -> None:
    # MyST-NB would have a screen reader say this instead of what a fold holds.
    label = ' aria-label="Toggle hidden content"'
    context["body"] = context.get("body", "").replace(label, "")


def _rank_captions(app, page, template, context, doctree) -> None:
    # Sphinx calls a caption of the table of contents a heading, of no level.
    tree, heading = context.get("furo_navigation_tree", ""), 'role="heading"'
    ranked = tree.replace(heading, f'{heading} aria-level="2"')
    context["furo_navigation_tree"] = ranked


def setup(app: Sphinx) -> None:
    """Let the browser draw formulas, and a screen reader say what a part is."""
    app.connect("html-page-context", _name_folds)
    app.connect("html-page-context", _rank_captions, priority=900)  # after furo
    app.add_html_math_renderer("mathml", (_formula, None), (_block, None))
