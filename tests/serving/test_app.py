"""The protocol: what requests return."""

import json
import re
import threading

import pytest
from starlette.testclient import TestClient

import textclf
from textclf.serving.options import ServerOptions

PREDICT, EXPLAIN = "/v1/models/cnn:predict", "/v1/models/cnn:explain"


def post(server, path=PREDICT, instances=("A text.",), **options):
    return server.client.post(path, json={"instances": [*instances]}, **options)


def test_predictions_have_the_label_and_all_probabilities(serve):
    response = post(serve(), instances=["x" * 25, "x" * 75])
    assert response.status_code == 200
    assert response.json() == {
        "predictions": [
            {"label": "short", "probabilities": {"short": 0.75, "long": 0.25}},
            {"label": "long", "probabilities": {"short": 0.25, "long": 0.75}},
        ]
    }


def test_explanations_come_with_predictions(serve):
    content = post(serve(), EXPLAIN, ["x" * 75]).json()
    assert content["predictions"][0]["label"] == "long"
    token = {"text": "xxx", "start": 0, "end": 3, "weight": 0.25}
    assert content["explanations"] == [
        {
            "label": "long",
            "probability": 0.5,
            "method": "occlusion",
            "score": 0.5,
            "baseline": None,
            "tokens": [token],
        }
    ]


def test_models_have_the_keys_of_both_protocols(serve):
    client = serve("cnn", "hub").client
    assert client.get("/v1/models").json() == {"models": ["cnn", "hub"]}
    status = {"error_code": "OK", "error_message": ""}
    assert client.get("/v1/models/cnn").json() == {
        "name": "cnn",
        "ready": True,
        "model_version_status": [{"version": "1", "state": "AVAILABLE", "status": status}],
    }


def test_a_model_that_cannot_be_loaded_does_not_stop_the_others(serve):
    server = serve("cnn", "hub", broken=["hub"])
    assert post(server).status_code == 200
    response = server.client.get("/v1/models/hub")
    assert response.status_code == 503
    assert response.json()["ready"] is False
    assert response.json()["model_version_status"][0]["state"] == "END"
    response = post(server, "/v1/models/hub:predict")
    assert response.status_code == 503
    expected = {"error": "the model hub could not be loaded: see the log of the server"}
    assert response.json() == expected
    assert server.client.get("/healthz").status_code == 503
    assert server.client.get("/healthz").json() == {"ready": {"cnn": True, "hub": False}}
    assert server.log.find("load_failed")[0]["error"] == "OSError: Input/output error"


def test_health_needs_all_models(serve):
    response = serve().client.get("/healthz")
    assert (response.status_code, response.json()) == (200, {"ready": {"cnn": True}})


@pytest.mark.parametrize(
    ("method", "path", "status", "problem"),
    [
        ("GET", "/nothing", 404, "unknown path: see /openapi.json"),
        ("GET", "/v1/models/", 404, "unknown path: see /openapi.json"),
        ("GET", "/page.html", 404, "unknown path: see /openapi.json"),
        ("GET", "/../../etc/passwd", 404, "unknown path: see /openapi.json"),
        ("GET", "/static/%2e%2e/app.py", 404, "unknown path: see /openapi.json"),
        ("GET", "/v1/models/cn", 404, "unknown model 'cn': did you mean 'cnn'? Choose from cnn"),
        ("POST", "/v1/models/x:predict", 404, "unknown model 'x': choose from cnn"),
        ("GET", PREDICT, 405, "Method Not Allowed"),
        ("PUT", EXPLAIN, 405, "Method Not Allowed"),
        ("OPTIONS", PREDICT, 405, "Method Not Allowed"),
        ("POST", "/v1/models", 405, "Method Not Allowed"),
    ],
)
def test_errors_are_json(serve, method, path, status, problem):
    response = serve().client.request(method, path)
    assert (response.status_code, response.json()) == (status, {"error": problem})
    if status == 405:
        assert response.headers["allow"]


def test_a_browser_gets_the_page_and_another_client_the_status(serve):
    client = serve().client
    assert client.get("/").json() == {"status": "alive"}
    page = client.get("/", headers={"Accept": "text/html,*/*;q=0.8"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.text.startswith("<!doctype html>")
    assert client.get("/page.css").headers["content-type"].startswith("text/css")
    assert client.get("/page.js").headers["content-type"].startswith("text/javascript")


def test_pages_forbid_inline_scripts_and_other_sites(serve):
    headers = serve().client.get("/").headers
    assert "script-src 'self';" in headers["content-security-policy"]
    assert "default-src 'none';" in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers


def test_a_model_that_fails_gives_500_without_the_text(serve):
    server = serve()
    server.classifiers["cnn"].error = ValueError("cannot read 'a secret text'")
    response = post(server, instances=["a secret text"])
    assert response.status_code == 500
    assert response.json() == {"error": "the model failed: see the log of the server"}
    line = server.log.find("request")[-1]
    assert re.fullmatch(r"ValueError at .+conftest\.py:\d+", line["error"])
    assert "secret" not in json.dumps(server.log.lines)


def test_too_many_waiting_texts_give_503(serve):
    server = serve(options=ServerOptions(max_queue=3))
    classifier = server.classifiers["cnn"]
    classifier.is_free.clear()
    classifier.has_begun.clear()
    responses = []

    def send(n_texts):
        with TestClient(server.client.app, base_url="http://localhost") as client:
            responses.append(client.post(PREDICT, json={"instances": ["text"] * n_texts}))

    first = threading.Thread(target=send, args=[1])
    first.start()
    assert classifier.has_begun.wait(5)
    send(4)
    assert responses[0].status_code == 503
    assert responses[0].json() == {"error": "too many texts are waiting: try again later"}
    assert responses[0].headers["retry-after"] == "1"
    classifier.is_free.set()
    first.join()
    assert responses[1].status_code == 200


def test_a_model_that_does_not_answer_in_time_gives_503(serve):
    server = serve(options=ServerOptions(request_seconds=0.05))
    classifier = server.classifiers["cnn"]
    classifier.is_free.clear()
    response = post(server)
    classifier.is_free.set()
    assert response.status_code == 503
    assert response.json() == {"error": "the model did not respond within 0.05 seconds"}
    assert response.headers["retry-after"] == "1"


def test_metrics_count_requests_and_texts(serve):
    server = serve()
    post(server, instances=["a", "b"])
    post(server, instances=[""])
    text = server.client.get("/metrics").text
    labels = 'model="cnn",route="predict"'
    assert f'textclf_requests_total{{{labels},status="200"}} 1.0\n' in text
    assert f'textclf_requests_total{{{labels},status="400"}} 1.0\n' in text
    assert f"textclf_texts_total{{{labels}}} 2.0\n" in text
    assert f"textclf_request_seconds_count{{{labels}}} 2.0\n" in text
    assert f"textclf_queue_texts{{{labels}}} 0.0\n" in text
    assert 'textclf_batch_texts_sum{model="cnn"} 2.0\n' in text
    assert 'textclf_model_loads_total{model="cnn",result="ok"} 1.0\n' in text
    assert 'textclf_model_ready{model="cnn"} 1.0\n' in text


def test_the_openapi_document_describes_every_route(serve):
    server = serve(options=ServerOptions(token="secret", max_texts=7))
    document = server.client.get("/openapi.json").json()
    assert document["info"]["version"] == textclf.__version__
    paths = document["paths"]
    assert set(paths) == {
        "/healthz",
        "/metrics",
        "/v1/models",
        "/v1/models/{name}",
        "/v1/models/{name}:predict",
        "/v1/models/{name}:explain",
    }
    schemas = document["components"]["schemas"]
    assert schemas["TextsForPredictions"]["properties"]["instances"]["maxItems"] == 7
    assert document["security"] == [{"token": []}]
    references = {part["$ref"].rpartition("/")[2] for part in walk(document) if "$ref" in part}
    assert references == set(schemas)


def walk(content):
    """Yield every object of a JSON value."""
    if isinstance(content, dict):
        yield content
        content = [*content.values()]
    if isinstance(content, list):
        for value in content:
            yield from walk(value)
