"""What every request passes: host, token, log line."""

import pytest

from textclf.serving.options import ServerOptions

PREDICT = "/v1/models/cnn:predict"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST:8501", 200),
        ("127.0.0.1:8501", 200),
        ("127.0.0.2", 200),
        ("[::1]:8501", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example:8501", 421),
        ("10.0.0.1", 421),
        ("", 421),
    ],
)
def test_the_host_must_be_this_machine(serve, host, status):
    response = serve().client.get("/v1/models", headers={"Host": host})
    assert response.status_code == status


def test_a_public_server_has_any_host(serve):
    server = serve(is_loopback=False)
    assert server.client.get("/v1/models", headers={"Host": "example.com"}).status_code == 200


@pytest.mark.parametrize("given", [None, "", "Bearer", "Bearer x", "bearer t0ken", "Basic t0ken"])
def test_requests_need_the_token(serve, given):
    client = serve(options=ServerOptions(token="t0ken")).client
    headers = {} if given is None else {"Authorization": given}
    for path in ("/v1/models", "/v1/models/cnn", "/metrics"):
        response = client.get(path, headers=headers)
        assert response.status_code == 401
        assert response.headers["www-authenticate"] == "Bearer"
        assert response.json() == {"error": "expected the header 'Authorization: Bearer TOKEN'"}
    assert client.post(PREDICT, json={"instances": ["a"]}, headers=headers).status_code == 401
    for path in ("/", "/healthz", "/page.css", "/page.js", "/openapi.json"):
        assert client.get(path, headers=headers).status_code == 200


def test_the_token_opens_everything(serve):
    client = serve(options=ServerOptions(token="t0ken")).client
    headers = {"Authorization": "Bearer t0ken"}
    assert client.get("/v1/models", headers=headers).status_code == 200
    response = client.post(PREDICT, json={"instances": ["a"]}, headers=headers)
    assert response.status_code == 200


def test_pages_of_other_sites_cannot_use_the_models(serve):
    client = serve().client
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert client.post(PREDICT, json={"instances": ["a"]}, headers=headers).status_code == 403
    assert client.get("/", headers=headers).status_code == 200
    headers = {"Sec-Fetch-Site": "same-origin"}
    assert client.post(PREDICT, json={"instances": ["a"]}, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://models.example:8501"}, 200),
        ({"Origin": "https://models.example:8501"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://evil.example:8501"}, 403),
        ({"Origin": "http://models.example"}, 403),
        ({"Origin": "http://models.example:8502"}, 403),
        ({"Origin": "http://models.example:8501.evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "null", "Host": ""}, 403),
        ({"Origin": "https://proxy.example", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "https://proxy.example", "Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "http://models.example:8501", "Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_without_a_mark_of_the_browser_the_origin_must_be_the_host(serve, headers, status):
    client = serve(is_loopback=False).client
    headers = {"Host": "models.example:8501", **headers}
    response = client.post(PREDICT, content=b'{"instances": ["a"]}', headers=headers)
    assert response.status_code == status
    assert client.get("/", headers=headers).status_code == 200


def test_a_request_is_logged_without_its_texts(serve):
    server = serve()
    headers = {"X-Request-Id": "id-1"}
    response = server.client.post(PREDICT, json={"instances": ["secret", "b"]}, headers=headers)
    assert response.headers["x-request-id"] == "id-1"
    [line] = server.log.find("request")
    assert 0 < line.pop("ms") < 5_000
    assert line == {
        "level": "info",
        "event": "request",
        "route": "predict",
        "model": "cnn",
        "method": "POST",
        "status": 200,
        "n_texts": 2,
        "request_id": "id-1",
        "error": None,
        "texts": None,
    }


def test_texts_are_logged_if_asked_for(serve):
    server = serve(options=ServerOptions(log_texts=True))
    server.client.post(PREDICT, json={"instances": ["a", "b"]})
    assert server.log.find("request")[0]["texts"] == ["a", "b"]


def test_a_refused_request_is_logged_with_the_reason(serve):
    server = serve()
    server.client.post(PREDICT, content=b"{")
    [line] = server.log.find("request")
    assert (line["level"], line["status"], line["n_texts"]) == ("warning", 400, None)
    assert line["error"].startswith("the body is not JSON: ")


def test_successful_checks_of_monitors_are_not_logged(serve):
    server = serve("cnn", "hub", broken=["hub"])
    server.client.get("/metrics")
    assert server.log.find("request") == []
    server.client.get("/healthz")
    assert [line["status"] for line in server.log.find("request")] == [503]


@pytest.mark.parametrize("given", ["", "a b", 'a"b', "x" * 101, "\u00e9"])
def test_an_invalid_request_id_is_replaced(serve, given):
    response = serve().client.get("/", headers={"X-Request-Id": given.encode()})
    assert len(response.headers["x-request-id"]) == 32
