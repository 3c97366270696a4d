"""Floor: TF-IDF of words and a linear support vector machine, in about a second."""

from pydantic import Field, PositiveFloat

from textclf.config.schema import Count, ModelParameters
from textclf.data.dataset import TextDataset
from textclf.errors import RequestError
from textclf.models._sklearn import EstimatorClassifier


class Parameters(ModelParameters):
    """Settings of scikit-learn's ``TfidfVectorizer`` and ``LinearSVC``."""

    min_df: Count = Field(default=2, description="texts that a word must stand in")
    max_ngram: Count = Field(default=1, description="words in a row that count as one term")
    C: PositiveFloat = Field(default=0.5, description="weight of errors against large weights")


def fit(parameters: Parameters, dataset: TextDataset, *, seed: int) -> EstimatorClassifier:
    """Fit on the training texts; the validation texts give the temperature of the probabilities."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    pipeline = make_pipeline(
        TfidfVectorizer(
            sublinear_tf=True,
            min_df=parameters.min_df,
            ngram_range=(1, parameters.max_ngram),
            # Words of two letters or more; `br` is what is left of HTML line breaks.
            stop_words=["br"],
        ),
        LinearSVC(C=parameters.C, random_state=seed),
    )
    try:
        pipeline.fit(dataset.train.texts, dataset.train.labels)
    except ValueError as error:  # No word is left, or there is one label only.
        raise RequestError(f"tfidf-svc cannot be fitted: {str(error).splitlines()[0]}") from error
    classifier = EstimatorClassifier(pipeline, dataset.label_names)
    classifier.calibrate(dataset.validation)
    return classifier
