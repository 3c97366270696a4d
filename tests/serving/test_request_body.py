"""Bodies: what is accepted, and what is refused with which line."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from textclf.serving.options import ServerOptions
from textclf.serving.request_body import parse_texts

PREDICT = "/v1/models/cnn:predict"
EXPECTED = 'expected {"instances": ["a text", ...]}'


def parse(body, *, max_texts=3, max_characters=20):
    return parse_texts(body, max_texts=max_texts, max_characters=max_characters)


def test_texts_are_returned_unchanged():
    body = '{"signature_name": "serve", "instances": ["a", " \\u00e9\\ud83d\\ude00\\n", "\0"]}'
    with pytest.raises(HTTPException):  # A bare control character is not JSON.
        parse(body.encode())
    assert parse(body.replace("\0", "\\u0000").encode()) == ["a", " \u00e9\U0001f600\n", "\0"]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "the body is not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"{", "the body is not JSON: Expecting property name enclosed in double quotes"),
        (b'{"instances": ["\xff"]}', "the body is not UTF-8 at byte 16"),
        ('{"instances": ["a"]}'.encode("utf-16"), "the body is not UTF-8 at byte 0"),
        (b'{"instances": [NaN]}', "the body is not JSON: NaN is not valid in JSON"),
        (b'{"instances": [-Infinity]}', "the body is not JSON: -Infinity is not valid in JSON"),
        (b"[" * 100_000, "the body is nested too deeply"),
        (b'{"a":' * 100_000, "the body is nested too deeply"),
        (b"1" * 5_000, "the body is not JSON: "),
        (b'{"instances": ["a"], "instances": ["b"]}', "an object has the same key twice"),
        (b'["a"]', EXPECTED),
        (b"null", EXPECTED),
        (b"{}", EXPECTED),
        (b'{"instances": []}', EXPECTED),
        (b'{"instances": "a"}', EXPECTED),
        (b'{"instances": {"a": "b"}}', EXPECTED),
        (b'{"inputs": ["a"]}', EXPECTED),
        (b'{"instances": ["a", null]}', "instance 2 is empty"),
        (b'{"instances": ["a", ""]}', "instance 2 is empty"),
        (b'{"instances": [" \\n"]}', "instance 1 is empty"),
        (b'{"instances": [1]}', "instance 1 is not a text"),
        (b'{"instances": [["a"]]}', "instance 1 is not a text"),
        (b'{"instances": [{"text": "a"}]}', "instance 1 is not a text"),
        (b'{"instances": ["\\ud83d"]}', "instance 1 is not Unicode"),
    ],
)
def test_a_malformed_body_gives_400_with_one_line(body, problem):
    with pytest.raises(HTTPException) as caught:
        parse(body)
    assert caught.value.status_code == 400
    assert problem in caught.value.detail
    assert "\n" not in caught.value.detail


@pytest.mark.parametrize(
    ("instances", "problem"),
    [
        (["a"] * 4, "the request has 4 texts; the limit is 3"),
        (["a", "b" * 21], "instance 2 has 21 characters; the limit is 20"),
    ],
)
def test_too_much_gives_413(instances, problem):
    with pytest.raises(HTTPException) as caught:
        parse(json.dumps({"instances": instances}).encode())
    assert (caught.value.status_code, caught.value.detail) == (413, problem)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=8),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3)
    ),
    max_leaves=5,
)
BODIES = (
    st.binary(max_size=40)
    | JSON.map(lambda value: json.dumps(value).encode())
    | JSON.map(lambda value: json.dumps({"instances": value}).encode())
)


@given(BODIES)
@settings(max_examples=50, deadline=None)
def test_a_generated_body_gives_texts_or_one_line(body):
    texts, problem, status = [], None, 200
    try:
        texts = parse(body)
    except HTTPException as error:
        problem, status = error.detail, error.status_code
    assert (status == 200) == bool(texts)
    assert status in {200, 400, 413}
    assert "\n" not in (problem or "")
    assert all(isinstance(text, str) and text.strip() for text in texts)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Content-Type": "application/json; charset=utf-8"}, 200),
        ({"Content-Type": "Application/JSON"}, 200),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 200),
        ({"Content-Encoding": "identity"}, 200),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415),
        ({"Content-Encoding": "gzip"}, 415),
    ],
)
def test_the_type_of_a_body(serve, headers, status):
    response = serve().client.post(PREDICT, content=b'{"instances": ["a"]}', headers=headers)
    assert response.status_code == status


def test_a_large_body_is_refused_with_and_without_its_length(serve):
    client = serve(options=ServerOptions(max_body_bytes=100)).client
    body = json.dumps({"instances": ["a" * 100]}).encode()
    for content in (body, iter([body[:60], body[60:]])):
        response = client.post(PREDICT, content=content)
        assert response.status_code == 413
        assert response.json() == {"error": "the body is larger than the limit of 0.0001 MB"}
