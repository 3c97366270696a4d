"""Builds the documentation site: python -m sphinx -W --keep-going -n docs site."""

import textclf

project = "textclf"
author = "the textclf developers"
version = release = textclf.__version__
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
nitpicky = True
nitpick_ignore_regex = [
    ("py:class", r"(pathlib|collections|numpy)\..*"),
    # What only the commands pass and what only textclf reads.
    ("py:class", r"textclf\.config\.(loading|search_space)\..*"),
    ("py:class", r"textclf\.runs\.directory\.RunDirectory"),
]

# Anchors of headings as GitHub makes them, so that links work there as well.
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "description"
# Sections of a configuration have no arguments that are worth a list: their keys are in a page.
autodoc_typehints_description_target = "documented_params"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
add_module_names = False

# Copies the commands of a console block, without prompts and output.
copybutton_prompt_text = "$ "
copybutton_exclude = ".linenos, .gp, .go"

html_theme = "furo"
html_static_path = ["_static"]
html_css_files = ["site.css"]
# The API is one page, which the search knows.
html_use_index = False
html_domain_indices = False
html_title = f"textclf {release}"
