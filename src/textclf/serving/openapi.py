"""The OpenAPI document of a server."""

from typing import Any

from textclf import __version__
from textclf.serving.options import MAX_EXPLAINED_CHARACTERS, MAX_EXPLAINED_TEXTS, ServerOptions

ERRORS = {
    "400": "The body is not of the expected form, or a text cannot be classified.",
    "401": "The token is missing or incorrect.",
    "403": "The request comes from a page of another site.",
    "404": "The model is unknown.",
    "408": "The body did not arrive in time.",
    "413": "The body, the number of texts or a text is too large.",
    "415": "The body is not of type application/json.",
    "421": "The header Host does not name this machine.",
    "500": "The model failed.",
    "503": "The model is not ready or did not respond in time, or too many texts are waiting.",
}

NAME = {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}


def describe(options: ServerOptions) -> dict[str, Any]:
    """Return the document, which is the same for all models."""
    document: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "textclf serve",
            "version": __version__,
            "description": "The protocol of TensorFlow Serving and KServe (V1).",
        },
        "paths": {
            "/v1/models": {"get": _get("List the models.", "Models", token=True)},
            "/v1/models/{name}": {
                "parameters": [NAME],
                "get": _get("Tell whether a model is ready.", "Model", "404", "503", token=True),
            },
            "/v1/models/{name}:predict": {
                "parameters": [NAME],
                "post": _post("Classify texts.", "Predictions"),
            },
            "/v1/models/{name}:explain": {
                "parameters": [NAME],
                "post": _post("Explain the predicted label of texts.", "Explanations"),
            },
            "/healthz": {"get": _get("Tell whether all models are ready.", "Health", "503")},
            "/metrics": {"get": _get("Metrics for Prometheus.", None, token=True)},
        },
        "components": {"schemas": _describe_schemas(options)},
    }
    if options.token:
        document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"token": []}]
        document["paths"]["/healthz"]["get"]["security"] = []
    return document


def _get(summary: str, schema: str | None, *errors: str, token: bool = False) -> dict[str, Any]:
    content = _json(schema) if schema else {"text/plain": {"schema": {"type": "string"}}}
    responses = {"200": {"description": summary, "content": content}}
    codes = ["401", *errors] if token else errors
    # A model that is not ready is described like one that is.
    kept = {code: _json(schema if code == "503" else "Error") for code in codes}
    responses |= {code: {"description": ERRORS[code], "content": kept[code]} for code in codes}
    return {"summary": summary, "responses": responses}


def _post(summary: str, schema: str) -> dict[str, Any]:
    responses = {"200": {"description": summary, "content": _json(schema)}}
    for code, description in ERRORS.items():
        responses[code] = {"description": description, "content": _json("Error")}
    body = {"required": True, "content": _json(f"TextsFor{schema}")}
    return {"summary": summary, "requestBody": body, "responses": responses}


def _json(schema: str | None) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return {"application/json": {"schema": reference}}


def _describe_schemas(options: ServerOptions) -> dict[str, Any]:
    text, number = {"type": "string"}, {"type": "number"}
    token = _object(text=text, start={"type": "integer"}, end={"type": "integer"}, weight=number)
    prediction = _object(
        label=text, probabilities={"type": "object", "additionalProperties": number}
    )
    explanation = _object(
        label=text,
        probability=number,
        method=text,
        score=number,
        baseline={"type": ["number", "null"]},
        tokens=_array(token),
    )
    status = _object(version=text, state=text, status=_object(error_code=text, error_message=text))
    ready = {"type": "boolean"}
    return {
        "TextsForPredictions": _describe_texts(options.max_texts, options.max_characters),
        "TextsForExplanations": _describe_texts(MAX_EXPLAINED_TEXTS, MAX_EXPLAINED_CHARACTERS),
        "Predictions": _object(predictions=_array(prediction)),
        "Explanations": _object(predictions=_array(prediction), explanations=_array(explanation)),
        "Models": _object(models=_array(text)),
        "Model": _object(name=text, ready=ready, model_version_status=_array(status)),
        "Health": _object(ready={"type": "object", "additionalProperties": ready}),
        "Error": _object(error=text),
    }


def _describe_texts(max_texts: int, max_characters: int) -> dict[str, Any]:
    text = {"type": "string", "minLength": 1, "maxLength": max_characters}
    return _object(instances={**_array(text), "minItems": 1, "maxItems": max_texts})


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [*properties]}


def _array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}
