"""The page of explained texts."""

from textclf.explanation.explain import Explanation, WeightedToken
from textclf.reporting.explanations import format_page

TEXT = "<b>oil</b> prices " + "rose " * 100


def explain(label="oil", baseline=None):
    tokens = (WeightedToken("oil", 3, 6, 0.5), WeightedToken("prices", 11, 17, -0.2))
    return Explanation(0, TEXT, label, 0.875, "trade", "occlusion", 0.875, baseline, tokens)


def test_words_are_highlighted_in_the_whole_text():
    page = format_page([explain()], "Explanations of <x>")
    assert '&lt;b&gt;<mark class="f3">oil</mark>&lt;/b&gt; <mark class="a2">prices</mark>' in page
    assert page.count("rose ") >= 100
    assert "&hellip;" not in page
    assert "Explanations of &lt;x&gt;" in page


def test_figures_link_to_their_fields():
    page = format_page([explain(), explain(baseline=-1.5)], "Explanations")
    assert 'data-field="explain:texts[0].probability" data-value="0.875">0.8750</a>' in page
    assert 'data-field="explain:texts[1].baseline" data-value="-1.5">-1.5000</a>' in page
    assert "texts[0].baseline" not in page.split('id="fields"')[0]


def test_no_texts_make_a_page():
    assert "<ol" in format_page([], "Explanations")
