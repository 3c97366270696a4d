"""A page of explained texts, which ``textclf explain --format html`` prints."""

from collections.abc import Sequence

from textclf.explanation.explain import Explanation
from textclf.reporting.documents import Document
from textclf.reporting.excerpts import Excerpt
from textclf.reporting.rendering import render_page


def format_page(explanations: Sequence[Explanation], title: str) -> str:
    """Return an HTML page of whole texts, in which the words with weight are highlighted.

    Args:
        explanations: Explained texts.
        title: Title of the page.
    """
    rows = [
        {
            "label": explanation.label,
            "probability": explanation.probability,
            "prediction": explanation.prediction,
            "method": explanation.method,
            "score": explanation.score,
            "baseline": explanation.baseline,
        }
        for explanation in explanations
    ]
    return render_page(
        "explanations.html",
        title=title,
        documents=[
            Document("explain", "As textclf explain --format json, without texts", {"texts": rows})
        ],
        excerpts=[
            Excerpt.of(explanation.text, explanation, limit=len(explanation.text))
            for explanation in explanations
        ],
    )
