"""What error replies mean: row by row as gateways send them, and for any bytes at all."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.vision.verdict import Finding, clean, judge

NOW = 1_800_000_000.0


def error(message: str = "", code: Any = None, kind: str | None = None, **more: Any) -> bytes:
    body = {
        "message": message,
        **({"code": code} if code is not None else {}),
        **({"type": kind} if kind else {}),
    }
    return json.dumps({"error": {**body, **more}}, ensure_ascii=False).encode()


def verdict(status: int, body: bytes = b"", **headers: str) -> Finding:
    return judge(status, {k.replace("_", "-"): v for k, v in headers.items()}, body, "chat", NOW)


HTML = b"<!DOCTYPE html><html><head><title>One API</title></head><body></body></html>"
NGINX = b"<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n</body></html>"
NEW_API = "new_api_error"

ROWS: list[tuple[str, int, bytes, str, str]] = [
    # what it is, status, body -> verdict, hint
    ("web page in a 200: base_url lacks /v1", 200, HTML, "pause", "doubt"),
    ("Gemini channel of one-api", 200, error("No candidates returned", 500, "server_error"), "retry", "candidates"),
    ("empty 200", 200, b"", "retry", ""),
    ("LiteLLM: a key that it does not know", 400, error("No connected db.", "400", "no_db_connection"), "pause", ""),
    ("LiteLLM: the key's budget", 400, error("Budget has been exceeded!", "400", "budget_exceeded"), "pause", ""),
    (
        "LiteLLM: not this model",
        401,
        error("key not allowed to access model. This key can only access models=['b'].", "401", "key_model_access_denied"),
        "switch",
        "model",
    ),
    ("a stream that nobody asked for", 200, b'data: {"choices": [{"delta": {}}]}\n\n', "retry", ""),
    ("a 200 that is JSON, but no answer", 200, b'{"choices": []}', "retry", ""),
    ("a 200 that is cut JSON", 200, b'{"choices": [{"mess', "retry", ""),
    ("error as a string", 200, b'{"error": "model overloaded, rate limit"}', "retry", ""),
    ("new-api without the wrapper", 200, '{"success":false,"message":"无效的令牌"}'.encode(), "pause", ""),
    # image
    ("image_too_large", 400, error("x", "image_too_large"), "shrink", "image"),
    ("image_file_too_large", 400, error("x", "image_file_too_large"), "shrink", "bytes"),
    ("invalid_base64_image", 400, error("x", "invalid_base64_image"), "shrink", "image"),
    ("image_parse_error", 400, error("x", "image_parse_error", "invalid_request_error"), "shrink", "image"),
    ("unsupported media type", 400, error("x", "unsupported_image_media_type"), "shrink", "image"),
    (
        "Claude's 5 MB",
        400,
        error("messages.0.content.0.image.source.base64: image exceeds 5 MB maximum: 6131692 bytes > 5242880 bytes",
              kind="invalid_request_error"),
        "shrink",
        "bytes",
    ),
    ("Claude's pixels", 400, error("image dimensions exceed max allowed size: 8000 pixels", kind="invalid_request_error"), "shrink", "image"),
    ("unsupported image", 400, error("You uploaded an unsupported image. Please make sure your image is valid."), "shrink", "image"),
    ("the user's gateway", 400, error("Bad request, please check whether the image is too large"), "shrink", "image"),
    *(
        (words, 400, error(words), "shrink", "image")
        for words in (
            "The image could not be loaded.",
            "image file can not be opened",
            "Your picture cannot be used: failed to load image",
            "The image data couldn't be read",
        )
    ),
    ("in Chinese", 400, error("图片过大,请压缩后重试"), "shrink", "image"),
    ("Ark format", 400, error("x", "InvalidImageURL.InvalidFormat", "BadRequest"), "shrink", "image"),
    ("Ark context", 400, error("x", "OutofContextError", "BadRequest"), "shrink", "image"),
    ("Gemini", 400, b'[{"error":{"code":400,"message":"Unable to process input image.","status":"INVALID_ARGUMENT"}}]', "shrink", "image"),
    ("media type mismatch", 400, error("Image does not match the provided media type image/jpeg"), "shrink", "image"),
    ("413 nginx", 413, NGINX, "shrink", "bytes"),
    ("413 without a body", 413, b"", "shrink", "bytes"),
    ("413 Anthropic", 413, error("Request exceeds the maximum size", kind="request_too_large"), "shrink", "bytes"),
    # the API
    ("Azure data URI", 400, error("Invalid 'input[0].content[0].image_url'. Expected a valid URL, but got a value that is not a valid absolute URI"), "switch", "api"),
    ("no Responses here", 404, error("Invalid URL (POST /v1/responses)", kind="invalid_request_error"), "switch", "missing"),
    ("404 without a body", 404, b"", "switch", "missing"),
    ("404 page", 404, b"404 page not found", "switch", "missing"),
    ("404 HTML", 404, HTML, "switch", "missing"),
    ("404 FastAPI", 404, b'{"detail":"Not Found"}', "switch", "missing"),
    ("405", 405, b'{"detail":"Method Not Allowed"}', "switch", "api"),
    ("convert_request_failed", 500, error("not implemented", "convert_request_failed", NEW_API), "switch", "api"),
    ("not implemented", 501, error("API not implemented", "not_implemented"), "switch", "api"),
    ("a chat model", 404, error("This is not a chat model and thus not supported in the v1/chat/completions endpoint"), "switch", "api"),
    # parameters
    ("unsupported parameter", 400, error("Unsupported parameter: 'temperature' is not supported with this model.", "unsupported_parameter", "invalid_request_error", param="temperature"), "switch", "parameter"),
    ("max_tokens", 400, error("Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.", "unsupported_parameter", param="max_tokens"), "switch", "parameter"),
    ("unrecognized argument", 400, error("Unrecognized request argument supplied: user", kind="invalid_request_error"), "switch", "parameter"),
    ("unknown parameter", 400, error("Unknown parameter: 'store'.", "unknown_parameter", param="store"), "switch", "parameter"),
    ("value refused", 400, error("Unsupported value: 'temperature' does not support 0.1 with this model.", "unsupported_value", param="temperature"), "switch", "parameter"),
    ("no system role", 400, error("Unsupported value: 'messages[0].role' does not support 'system' with this model.", "unsupported_value", param="messages[0].role"), "switch", "parameter"),
    ("no JSON schema", 400, error("Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.", param="response_format"), "switch", "schema"),
    ("schema not strict", 400, error("Invalid schema for response_format 'out': 'additionalProperties' is required", "invalid_json_schema"), "switch", "schema"),
    ("output limit", 400, error("max_tokens is too large: 32768. This model supports at most 16384 completion tokens, whereas you provided 32768.", param="max_tokens"), "switch", "limit"),
    # content
    ("content policy", 400, error("x", "image_content_policy_violation"), "switch", "refused"),
    ("Azure content filter", 400, error("The response was filtered due to the prompt triggering Azure OpenAI's content management policy.", "content_filter"), "switch", "refused"),
    ("Ark sensitive", 400, error("x", "InputImageSensitiveContentDetected", "BadRequest"), "switch", "refused"),
    ("sensitive words", 500, error("敏感词检测不通过", "sensitive_words_detected", NEW_API), "switch", "refused"),
    # key and money
    ("401", 401, error("Incorrect API key provided: sk-abc***", "invalid_api_key"), "pause", ""),
    ("401 without a body", 401, b"", "pause", ""),
    ("exhausted token", 401, error("该令牌额度已用尽", kind=NEW_API), "pause", ""),
    ("402", 402, b"", "pause", "doubt"),
    ("quota of the user", 403, error("用户额度不足", "insufficient_user_quota", NEW_API), "pause", ""),
    ("quota of the token", 403, error("x", "pre_consume_token_quota_failed", NEW_API), "pause", ""),
    ("arrears", 403, error("x", "AccountOverdueError", "Forbidden"), "pause", ""),
    ("403 HTML", 403, HTML, "pause", "doubt"),
    ("a plain web server", 501, HTML, "pause", "doubt"),
    ("insufficient_quota in a 429", 429, error("You exceeded your current quota, please check your plan", "insufficient_quota", "insufficient_quota"), "pause", ""),
    ("Ark quota", 429, error("x", "QuotaExceeded", "TooManyRequests"), "pause", ""),
    ("Ark limit", 429, error("x", "SetLimitExceeded", "TooManyRequests"), "pause", ""),
    ("insufficient_quota in a 200", 200, error("x", "insufficient_quota"), "pause", ""),
    ("Gemini key", 400, error("API key not valid. Please pass a valid API key."), "pause", ""),
    ("redirect", 302, b"", "pause", ""),
    # the model
    ("no right to the model", 403, error("该令牌无权使用模型:gpt-4o", kind=NEW_API), "switch", "model"),
    ("Ark not open", 404, error("x", "ModelNotOpen", "NotFound"), "switch", "model"),
    ("no channel", 503, error("当前分组 default 下对于模型 gpt-4o 无可用渠道", "model_not_found", NEW_API), "switch", "model"),
    ("no channel, message alone", 503, error("当前分组 default 下对于模型 gpt-4o 无可用渠道", kind=NEW_API), "switch", "model"),
    ("unknown model", 404, error("The model `gpt-9` does not exist or you do not have access to it.", "model_not_found"), "switch", "model"),
    ("Anthropic's 404", 404, error("model: claude-x", kind="not_found_error"), "switch", "model"),
    ("no vision", 400, error("This model does not support image input"), "switch", "model"),
    # busy
    ("429", 429, error("Rate limit reached", "rate_limit_exceeded", "requests"), "retry", ""),
    ("429 without a body", 429, b"", "retry", ""),
    ("429 HTML", 429, HTML, "retry", ""),
    ("saturated", 429, error("当前分组上游负载已饱和,请稍后再试", kind=NEW_API), "retry", ""),
    ("529", 529, error("Overloaded", kind="overloaded_error"), "retry", ""),
    ("overloaded in a 200", 200, error("Overloaded", kind="overloaded_error"), "retry", ""),
    ("500", 500, error("The server had an error", kind="server_error"), "retry", ""),
    ("502 HTML", 502, HTML, "retry", ""),
    ("503", 503, b"", "retry", ""),
    ("408", 408, b"", "retry", ""),
    ("409", 409, b"", "retry", ""),
    ("425", 425, b"", "retry", ""),
    ("504", 504, HTML, "retry", ""),
    ("524", 524, error("openai_error", "bad_response_status_code", NEW_API), "retry", ""),
    # new-api's own
    ("count_token_failed", 500, error("x", "count_token_failed", NEW_API), "switch", "model"),
    ("invalid_request", 500, error("x", "invalid_request", NEW_API), "switch", "model"),
    ("model_price_error", 500, error("x", "model_price_error", NEW_API), "switch", "model"),
    # a 404 that is about what was asked, not about where
    ("router without eyes", 404, error("No endpoints found that support image input", 404), "switch", "model"),
    ("router without providers", 404, error("No allowed providers are available for the selected model.", 404), "switch", "model"),
    ("router and parameters", 404, error("No endpoints found that can handle the requested parameters.", 404), "switch", "unknown"),
    ("no such path", 404, error("Resource not found", "404"), "switch", "missing"),
    # anything else
    ("a 400 that says nothing", 400, b"", "switch", "unknown"),
    ("a 422 that says nothing", 422, b'{"detail":[{"loc":["body"],"msg":"x"}]}', "switch", "unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "status", "body", "kind", "hint"), ROWS, ids=[row[0] for row in ROWS])
def test_row(what: str, status: int, body: bytes, kind: str, hint: str) -> None:
    found = verdict(status, body)
    assert (found.verdict.kind, found.hint) == (kind, hint), found


@pytest.mark.parametrize(
    ("message", "param", "name"),
    [
        ("Unsupported parameter: 'temperature' is not supported", None, "temperature"),
        ("x", "input[0].content[1].detail", "detail"),
        ("Unrecognized request argument supplied: stream_options", None, "stream_options"),
        ("Unsupported value: 'messages[0].role' does not support 'system' with this model.", None, "system"),
        ("Developer instruction is not enabled for models/gemma", None, "system"),
    ],
)
def test_refused_parameter_is_named(message: str, param: str | None, name: str) -> None:
    found = verdict(400, error(message, "unsupported_parameter", param=param))
    assert (found.hint, found.name) == ("parameter", name)


WORDS = "只接受 Zorb"
SHAPES: list[Any] = [
    {"error": {"message": WORDS}},
    [{"error": {"message": WORDS}}],
    [WORDS],
    {"errors": {"base": [WORDS]}},
    {"errors": [{"code": 5007, "message": WORDS}], "success": False},
    {"type": "https://example/problems/x", "title": "Wrong", "status": 400, "detail": WORDS},
    {"title": "Wrong", "errors": [{"pointer": "#/a", "detail": WORDS}]},
    {"base_resp": {"status_code": 2013, "status_msg": WORDS}},
    {"choices": None, "base_resp": {"status_code": 2013, "status_msg": WORDS}},
    {"fault": {"faultstring": WORDS, "detail": {"errorcode": "x.y.z"}}},
    {"Response": {"Error": {"Code": "X", "Message": WORDS}, "RequestId": "1"}},
    {"ResponseMetadata": {"Error": {"Message": WORDS}}},
    {"__type": "ValidationException", "Message": WORDS},
    {"error_code": 1, "error_msg": WORDS},
    {"status": "error", "reason": WORDS},
    WORDS,
    f"<?xml version='1.0'?><Error><Code>Invalid</Code><Message>{WORDS}</Message></Error>",
]


@pytest.mark.parametrize("status", [200, 400, 402, 422])
@pytest.mark.parametrize("body", SHAPES, ids=range(len(SHAPES)))
def test_what_is_said_is_read_in_any_shape(status: int, body: Any) -> None:
    raw = body if isinstance(body, str) else json.dumps(body)
    found = verdict(status, raw.encode())
    assert (WORDS in found.verdict.reason) == (
        status >= 400 or body not in (WORDS, [WORDS])
    )  # or an answer's
    assert found.hint in {200: ("inside", "unknown"), 402: ("doubt",)}.get(status, ("unknown", "parameter"))
    assert found.verdict.alike


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"errors": {"temperature": ["x"]}}, "temperature"),
        ({"errors": [{"pointer": "#/temperature", "detail": "x y"}]}, "temperature"),
        ({"error": {"message": "x y", "field": "response_format"}}, "response_format"),
    ],
)
def test_a_parameter_that_is_named_apart_is_the_refused_one(body: Any, name: str) -> None:
    found = verdict(400, json.dumps(body).encode())
    assert found.name == name


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        ({"error": {"message": "x", "retry_after": 20}}, 20.0),
        ({"message": "x", "retry_after_ms": 2000}, 2.0),
        ({"message": "x", "retryAfterSeconds": 20}, 20.0),
        ({"error": {"message": "x", "resets_in_seconds": 20}}, 20.0),
        ({"error": {"message": "x", "details": [{"retryDelay": {"seconds": 20}}]}}, 20.0),
        ({"error": {"message": "x", "retryable": True}}, None),
    ],
)
def test_a_wait_is_found_under_any_name(body: Any, seconds: float | None) -> None:
    assert verdict(429, json.dumps(body).encode()).verdict.retry_after == seconds


@pytest.mark.parametrize("status", [200, 408, 409, 425, 429, 500, 502, 503, 504])
def test_a_wait_in_words_is_obeyed_whatever_the_status(status: int) -> None:
    found = verdict(status, error("Slow down, try again in 20s", "rate_limit_error")).verdict
    assert (found.kind, found.retry_after) == ("retry", 20.0)


@pytest.mark.parametrize("code", ["server_error", "internal_error"])
def test_a_servers_own_error_inside_a_200_is_a_moments_trouble(code: str) -> None:
    found = verdict(200, error("boom", code))
    assert (found.verdict.kind, found.hint, found.verdict.server) == ("retry", "", True)


def test_a_500_around_a_400_is_that_400() -> None:
    assert verdict(500, error("Drelm vok", 400, "invalid_request_error")).hint == "unknown"


@pytest.mark.parametrize("body", [b"", b"{}", b'{"choices": []}', b"null", b'[{"a": 1}]'])
def test_a_gateway_that_says_nothing_is_in_trouble_and_no_file_is_to_blame(body: bytes) -> None:
    found = verdict(200, body).verdict
    assert (found.kind, found.server) == ("retry", True)
    assert found.alike


@pytest.mark.parametrize("status", [504, 524])
def test_cut_off_is_marked_because_it_may_have_been_billed(status: int) -> None:
    assert verdict(status, HTML).verdict.cut_off
    assert not verdict(503, HTML).verdict.cut_off


@pytest.mark.parametrize(
    ("status", "server", "overload"), [(500, 1, 0), (503, 1, 1), (429, 0, 1), (408, 0, 1), (404, 0, 0)]
)
def test_what_counts_for_the_breaker_and_for_slowing_down(status: int, server: int, overload: int) -> None:
    found = verdict(status).verdict
    assert (found.server, found.overload, found.transport) == (bool(server), bool(overload), False)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7.0),
        ({"retry_after": "0.5"}, 0.5),
        ({"retry_after_ms": "1500", "retry_after": "9"}, 1.5),
        ({"retry_after": "Fri, 15 Jan 2027 08:00:30 GMT"}, 30.0),
        ({"retry_after": "Fri, 15 Jan 2027 09:00:30 GMT", "date": "Fri, 15 Jan 2027 09:00:00 GMT"}, 30.0),
        ({"retry_after": "Fri, 15 Jan 2021 08:00:30 GMT"}, 0.0),
        ({"retry_after": "-3"}, 0.0),
        ({"retry_after": "1e30"}, 3600.0),
        ({"retry_after": "Fri, 31 Dec 9999 23:59:59 GMT"}, 3600.0),
        ({"retry_after": "6s"}, 6.0),
        ({"retry_after": "nan"}, None),
        ({"retry_after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_obeyed_in_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert verdict(429, **headers).verdict.retry_after == seconds


def test_a_wait_without_end_is_bounded_by_an_hour_and_that_is_told() -> None:
    found = verdict(429, error("slow down"), retry_after="Fri, 31 Dec 9999 23:59:59 GMT").verdict
    assert found.retry_after == 3600
    assert found.reason.endswith("(asked to wait more than a day; 1 h it is)")
    assert "slow down" in found.reason
    used_up = error("Rate limit exceeded: free-requests-per-day", 429)
    assert (
        verdict(429, used_up, x_ratelimit_reset=str((NOW + 5 * 3600) * 1000)).verdict.retry_after == 5 * 3600
    )


def test_geminis_retry_delay_counts_as_retry_after() -> None:
    body = error("quota", 429, details=[{"@type": "x"}, {"retryDelay": "34.5s"}])
    assert verdict(429, body).verdict.retry_after == 34.5


def test_a_quota_that_is_over_in_seconds_is_a_rate() -> None:
    message = "You exceeded your current quota, please check your plan and billing details."
    body = error(message, 429, status="RESOURCE_EXHAUSTED", details=[{"retryDelay": "7s"}])
    assert (verdict(429, body).verdict.kind, verdict(429, body).verdict.retry_after) == ("retry", 7.0)
    assert verdict(429, error(message, 429)).verdict.kind == "pause"


def test_reason_is_one_short_line_without_what_looks_like_a_key() -> None:
    found = verdict(401, error("Incorrect API key provided: sk-proj-abcdef123456.\nSee\x1b[31m " + "x" * 999))
    assert "abcdef" not in found.verdict.reason
    assert found.verdict.reason.isprintable()
    assert len(found.verdict.reason) <= 240
    assert found.verdict.reason.startswith("HTTP 401: Incorrect API key")


def test_reason_holds_no_image_that_an_api_sent_back() -> None:
    import base64
    import random

    image = base64.b64encode(random.Random(1).randbytes(900)).decode()
    for message in (f"bad input 'data:image/jpeg;base64,{image}'", f"bad input {image}"):
        reason = verdict(400, error(message)).verdict.reason
        assert reason.startswith("HTTP 400: bad input")
        assert not any(image[n : n + 12] in reason for n in range(len(image) - 12))


def test_redirect_says_where_to_without_what_may_be_secret() -> None:
    found = verdict(301, location="https://user:pw@other.example/v1/responses?token=1")
    assert (
        found.verdict.reason
        == "HTTP 301: redirected to https://other.example/v1/responses; base_url is wrong"
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["error", "message", "code", "type", "param", "details", "x"]), inner, max_size=5)
    ),
    max_leaves=20,
)  # fmt: skip
header_values = st.dictionaries(
    st.sampled_from(["retry-after", "retry-after-ms", "date", "content-type", "location"]),
    st.text(max_size=40),
)


@given(
    st.integers(200, 599),
    header_values,
    st.binary(max_size=200) | json_values.map(lambda v: json.dumps(v).encode()),
    st.sampled_from(["chat", "responses"]),
)
def test_any_reply_has_a_verdict(status: int, headers: dict[str, str], body: bytes, api: Any) -> None:
    found = judge(status, headers, body, api, NOW)
    assert found.verdict.kind in ("retry", "shrink", "switch", "pause")
    assert found.verdict.reason.isprintable()
    assert 0 < len(found.verdict.reason) <= 240
    assert found.verdict.retry_after is None or 0 <= found.verdict.retry_after <= 90_000


@given(st.text())
def test_any_text_can_be_cleaned(text: str) -> None:
    assert clean(text).isprintable() or not clean(text)


LONG = 3_000_000


@pytest.mark.parametrize(
    "unit",
    [
        "x",
        "a ",
        "{",
        '{"a":',
        "max_tokens is too large: 5. ",
        "'a' ",
        "1.",
        "[",
        "\\u0000",
        "try again in 20s ",
    ],
)
@pytest.mark.parametrize("where", ["message", "code", "param", "detail", "raw", "text"])
def test_a_reply_of_megabytes_is_judged_at_once(unit: str, where: str) -> None:
    long = unit * (LONG // len(unit))
    error: dict[str, Any] = {"message": long} if where == "message" else {"message": "no", where: long}
    body = {
        "detail": {"detail": [{"loc": ["body", long], "msg": long}]},
        "raw": {
            "error": {"message": "no", "metadata": {"raw": long, "headers": {"x-ratelimit-reset": long}}}
        },
    }.get(where, {"error": error})
    started = time.process_time()
    found = judge(
        400,
        {"retry-after": unit * 1000},
        long.encode() if where == "text" else json.dumps(body).encode(),
        "chat",
        0.0,
    )
    assert time.process_time() - started < 3.0  # 0.2 s as it is; 10 s and more where all of it is searched
    assert len(found.verdict.reason) < 1000


PAGE = "Invoice R-77 of Mr Miller, total 12.50"


@pytest.mark.parametrize(
    "body",
    [
        PAGE,
        json.dumps(PAGE),
        {"response": PAGE, "done": True},
        {"result": PAGE},
        {"text": [PAGE, "second line"]},
        [{"generated_text": PAGE}],
        {"data": {"answer": PAGE}},
        [PAGE],
        json.dumps({"result": PAGE}).encode("utf-16"),
        {"body": json.dumps({"result": PAGE})},
    ],
)
def test_what_may_be_an_answer_is_never_told(body: Any) -> None:
    """Of a reply to a request that succeeded, which holds no answer of the API's and names no error."""
    raw = (
        body
        if isinstance(body, bytes)
        else body.encode()
        if isinstance(body, str)
        else json.dumps(body).encode()
    )
    found = verdict(200, raw)
    told = f"{found.verdict.reason} {found.verdict.alike}"
    assert found.verdict.kind == "retry"
    assert "iller" not in told.replace("\0", "").replace(" ", "")
    assert verdict(200, raw).verdict.alike == verdict(200, raw.replace(b"77", b"78")).verdict.alike


@pytest.mark.parametrize(
    "body",
    [
        {"error": "Drelm vok"},
        {"detail": "Drelm vok"},
        {"status": "fail", "msg": "Drelm vok"},
        {"base_resp": {"status_code": 1, "status_msg": "Drelm vok"}},
        {"Response": {"Error": {"Message": "Drelm vok"}}},
        {"error": {"message": "x", "metadata": {"raw": "Drelm vok"}}},
    ],
)
def test_what_is_said_of_an_error_inside_a_200_is_told(body: Any) -> None:
    assert "Drelm vok" in verdict(200, json.dumps(body).encode()).verdict.reason


@pytest.mark.parametrize(
    ("status", "page", "title"),
    [
        (
            200,
            "<!DOCTYPE html><html><head><TITLE lang='en'>\n Guest login </TITLE></head></html>",
            "Guest login",
        ),
        (
            400,
            "<html><title>400 The plain HTTP request was sent to HTTPS port</title></html>",
            "sent to HTTPS port",
        ),
        (
            403,
            "<html><body><h1>Blocked by ACME&#39;s firewall</h1></body></html>",
            "Blocked by ACME's firewall",
        ),
        (502, "<html><title>502 Bad Gateway</title></html>", "502 Bad Gateway"),
        (511, "<html><title>" + "hm " * 150 + "</title></html>", "hm " * 20),
        (404, "<html><p>nothing</p></html>", "an HTML page"),
        (401, "<html><title>sk-0123456789abcdef</title></html>", "[hidden]"),
    ],
)
def test_a_page_is_called_what_it_calls_itself(status: int, page: str, title: str) -> None:
    found = verdict(status, page.encode())
    assert title in found.verdict.reason
    assert "an HTML page" in found.verdict.reason
    assert "sk-0" not in found.verdict.reason
    assert len(found.verdict.reason) <= 240


@pytest.mark.parametrize(
    "body", [b"", b"<html><title>Guests</title></html>", b'{"error": "rate limit"}', b"?"]
)
def test_a_network_that_wants_a_login_pauses_the_model(body: bytes) -> None:
    found = verdict(511, body)
    assert found.verdict.kind == "pause"
    assert "wants a login" in found.verdict.reason


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "an empty reply"),
        (b" \n", "an empty reply"),
        (b"{}", "JSON"),
        (b'{"choices": [{"message": {"content": "Secret', "broken JSON"),
        (b"Secret: sk-0123456789abcdef", "plain text"),
        (b"data: [DONE]", "a stream"),
        (b"\x89PNG\r\n\x1a\n\0\0", "bytes that begin with 89 50 4e 47"),
    ],
)
def test_what_is_no_answer_is_called_what_it_is_and_not_quoted(body: bytes, kind: str) -> None:
    """It may be an answer, and no answer's text is ever in a log."""
    reason = verdict(200, body, content_type="application/x-odd; charset=utf-8").verdict.reason
    assert reason == f"HTTP 200: {kind} (application/x-odd), no answer of the chat API"
