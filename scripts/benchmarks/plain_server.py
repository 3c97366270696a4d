"""A plain FastAPI server around ``model.predict``, as a tutorial would write it, and for MLflow.

Example: python scripts/benchmarks/plain_server.py runs/bbc/cnn/1a2b3c/seed-1 --port 8600
"""

import argparse
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np

HOST = "127.0.0.1"


def load_model(run: str) -> Any:
    """Load the Keras model of a run, which takes raw text."""
    import keras

    import textclf.hub.layer
    import textclf.text.classifier  # noqa: F401 - both register their layers

    return keras.models.load_model(Path(run) / "model.keras", compile=False)


def predict(model: Any, texts: list[str]) -> list[dict[str, Any]]:
    """Classify texts with Keras's ``predict``."""
    import tensorflow as tf

    probabilities = model.predict(tf.constant(texts), verbose=0)
    names = model.label_names
    return [
        {
            "label": names[int(np.argmax(row))],
            "probabilities": dict(zip(names, row.tolist(), strict=True)),
        }
        for row in probabilities
    ]


class MlflowModel(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """The same for ``mlflow models serve``."""

    def load_context(self, context: Any) -> None:
        """Load the model in the process of the server."""
        self.model = load_model(context.model_config["run"])

    def predict(self, model_input: list[str]) -> list[dict[str, Any]]:
        """Classify texts."""
        return predict(self.model, list(model_input))


def main() -> None:
    """Serve a run, or write it as a model of MLflow."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--port", type=int, default=8600)
    parser.add_argument("--mlflow", metavar="FOLDER", help="write a model of MLflow instead")
    arguments = parser.parse_args()
    run = str(Path(arguments.run).resolve())
    if arguments.mlflow:
        mlflow.pyfunc.save_model(
            arguments.mlflow,
            python_model=MlflowModel(),
            model_config={"run": run},
            pip_requirements=[],
        )
        return
    import uvicorn
    from fastapi import Body, FastAPI

    app, model = FastAPI(), load_model(run)

    @app.post("/predict")
    def answer(instances: list[str] = Body(embed=True)) -> dict[str, Any]:  # noqa: B008
        return {"predictions": predict(model, instances)}

    uvicorn.run(app, host=HOST, port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()
