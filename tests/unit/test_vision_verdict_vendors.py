"""What gateways of other vendors, and in other languages, say: verdicts that spare an experiment, or a file's twelve tries."""

from __future__ import annotations

import json
from typing import Any

import pytest

from glimpsed.config.schema import ModelEntry
from glimpsed.vision.pacing import Pacing
from glimpsed.vision.verdict import judge


def error(message: str, code: str | None = None, **more: Any) -> dict[str, Any]:
    return {"error": {"message": message, "code": code, **more}}


ROWS: list[tuple[int, object, str]] = [
    # money, whatever it is called
    (403, {"code": "AllocationQuota.FreeTierOnly", "message": "The free tier of the model has been exhausted."}, "pause"),
    (403, {"code": 30011, "message": "Paid balance is required for this model."}, "pause"),
    (400, error("资源包余量已用尽,请购买资源包或开通后付费", "FailedOperation.ResourcePackExhausted"), "pause"),
    (400, {"Response": {"Error": {"Code": "X.Y", "Message": "免费资源包余量已用尽"}}}, "pause"),
    (429, {"errors": [{"code": 4006, "message": "AiError: you have used up your daily free allocation of 10,000 neurons"}]}, "pause"),
    (400, {"status": 400, "message": "Недостаточно средств на балансе"}, "pause"),
    (400, {"error": "Ihr Guthaben ist aufgebraucht. Bitte laden Sie Ihr Konto auf."}, "pause"),
    (403, {"error": "Guthaben nicht ausreichend"}, "pause"),
    (400, {"error": "Solde insuffisant, veuillez recharger votre compte."}, "pause"),
    (400, error("Saldo insuficiente en su cuenta"), "pause"),
    (400, error("Créditos insuficientes"), "pause"),
    (200, error("残高が不足しています。チャージしてください。"), "pause"),
    (400, error("잔액이 부족합니다. 충전해 주세요."), "pause"),
    (400, error("Please top up your wallet to continue"), "pause"),
    (400, error("You have 0 credits left"), "pause"),
    # a day's or a month's worth
    (429, {"error": {"code": "1304", "message": "该 API 已达日调用次数限额,如有更多需求,请联系客服购买"}}, "pause"),
    (429, {"message": "You are using a Trial key, which is limited to 1000 API calls / month."}, "pause"),
    (200, {"error_code": 17, "error_msg": "Open api daily request limit reached"}, "pause"),
    (429, {"error": "You have exceeded your monthly included credits for Inference Providers."}, "pause"),
    (403, {"error": "The team used up its free trial allowance."}, "pause"),
    # the account or the key, as its own vendor says it
    (400, {"error": {"code": 400, "message": "API Key not found. Please pass a valid API key.", "status": "INVALID_ARGUMENT"}}, "pause"),
    (400, error("用户已被封禁"), "pause"),
    (503, error("当前套餐已到期,请续费"), "pause"),
    # the model, or its eyes: another one at once, without an experiment
    (400, error("Model Not Exist", "invalid_request_error"), "switch model"),
    (400, error("The model `m-1` has been decommissioned and is no longer supported."), "switch model"),
    (400, error("Unsupported model m-1"), "switch model"),
    (422, error("Failed to deserialize the JSON body: messages[0]: unknown variant `image_url`, expected `text` at line 1"), "switch model"),
    (400, error("messages[0].content: Input should be a valid string"), "switch unknown"),
    # the other API, where this one's path leads to it
    (422, {"detail": [{"type": "missing", "loc": ["body", "messages"], "msg": "Field required"}]}, "switch api"),
    (400, error("'messages' is a required property"), "switch api"),
    (400, error("Missing required parameter: 'messages'."), "switch api"),
    (400, error("该模型不支持 Responses API"), "switch api"),
    (400, error("该模型不支持流式输出"), "switch unknown"),
    (400, error("该模型不支持temperature参数"), "switch unknown"),
    (400, error("该模型不支持JSON模式"), "switch schema"),
    (400, error("该模型不支持图片输入"), "switch model"),
    (400, error("该模型不支持多张图片"), "switch unknown"),
    (400, error("该模型不支持该图片格式"), "shrink image"),
    (400, error("模型 m 不支持，请更换模型"), "switch model"),
    (400, error("暂不支持该模型"), "switch model"),
    # the key, inside a 200
    (200, {"error_code": 110, "error_msg": "Access token invalid or no longer valid"}, "pause"),
    (200, {"base_resp": {"status_code": 1004, "status_msg": "login fail: Please carry the API secret key"}}, "pause"),
    (200, {"detail": "Not authenticated"}, "pause"),
    (200, error("upstream said: status code 401"), "pause"),
    # too often, though it looks like too much
    (400, {"__type": "ThrottlingException", "message": "Too many tokens, please wait before trying again."}, "retry"),
    (429, {"message": "Too many tokens, please wait before trying again."}, "retry"),
    (400, {"Response": {"Error": {"Code": "LimitExceeded", "Message": "请求频率超过限制"}}}, "retry"),
    (498, error("Flex tier capacity exceeded", "capacity_exceeded"), "retry"),
    (498, "", "retry"),
    (460, "", "retry"),
    # too much
    (400, {"code": "InvalidParameter", "message": "The image length and width do not meet the model restrictions."}, "shrink"),
    (400, error("<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 129024]"), "shrink"),
    (400, {"error": {"code": "1261", "message": "Prompt 超长"}}, "shrink"),
    (400, error("Your request exceeded model token limit: 8192 (requested: 9400)"), "shrink"),
    (500, error("bad response status code 413", "bad_response_status_code"), "shrink"),
    # what the picture shows
    (200, {"base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}, "choices": None}, "switch"),
    # the key and the money, once more
    (400, error("The API key has expired. Please renew the API key."), "pause"),
    (429, error("You have exceeded the 5-hour usage quota. It will reset at 2026-11-27 10:00:00", "AccountQuotaExceeded"), "pause"),
    (400, error("You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."), "pause"),
    (403, error("You have exceeded your billing limits"), "pause"),
    (429, error("You have reached your usage limits"), "pause"),
    # no such model, or none that sees
    (404, error("No endpoints found for vendor/model-7."), "switch model"),
    (404, error("No allowed providers are available."), "switch model"),
    (410, error("This model has reached its end of life"), "switch model"),
    (410, "", "switch missing"),
    (400, {"message": "The provided model identifier is invalid."}, "switch model"),
    (400, error("Invalid content type. image_url is only supported by certain models.", param="messages.[0].content.[0].type"), "switch model"),
    (400, error("This model only supports text input"), "switch model"),
    (400, error("vendor-7 only accepts text content"), "switch model"),
    (400, {"error": {"message": "Bad request", "metadata": {"raw": "The model id is not valid"}}}, "switch model"),
    (400, error("Model name: 'vendor/m-2.5:7b' is not valid"), "switch model"),
    (404, error("No endpoint for vendor/model-7"), "switch model"),
    (404, error("No endpoints found. See https://gateway.example/settings"), "switch model"),
    # too many pictures, whatever it is called
    (400, error("Total number of images exceeds limit of 10"), "switch count"),
    (400, error("The number of images must be at most 5"), "switch count"),
    (400, error("max 10 images allowed"), "switch count"),
    (400, error("image count exceeds the limit (100)"), "switch count"),
    (400, error("Images number must be 1 to 5"), "switch count"),
    (400, {"error": {"message": "Bad request", "metadata": {"raw": "image count exceeds the limit"}}}, "switch count"),
    (400, error("Request contains 60 images. Maximum is 50"), "switch count"),
    # busy, said with the status of a bad request
    (400, error("Server is busy, please try again later"), "retry"),
    (400, error("Too many concurrent requests"), "retry"),
    (404, error("no healthy upstream"), "retry"),
    (403, error("The service is temporarily unavailable"), "retry"),
    (400, error("The model is currently unavailable"), "retry"),
    (422, error("The model is currently loading"), "retry"),
    # too many tokens
    (400, error("The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."), "shrink"),
    (400, error("Input length 9000 exceeds max model len 8192"), "shrink"),
    (400, error("Please reduce the length of the messages."), "shrink"),
    # and what only sounds like one of these
    (400, error("Number of image tokens is 5, which is odd"), "switch unknown"),
    (404, error("No endpoints found that can handle the requested parameters."), "switch unknown"),
    (400, error("The image server name is not known"), "switch unknown"),
    (404, {"status": 404, "error": "Not Found", "message": "No endpoint POST /v1/chat/completions.", "path": "/v1/chat/completions"}, "switch missing"),
    (404, error("No endpoint POST /v1/chat/completions."), "switch missing"),
    (404, error("No endpoint found for POST '/chat/completions'"), "switch missing"),
    (404, error("No backend matches /api/responses"), "switch missing"),
    (404, error("No backend for http://gateway.example/chat/completions"), "switch missing"),
    (403, error("The service is unavailable for your account"), "pause doubt"),
    (403, error("This model is unavailable in your tier"), "switch model"),
    (400, error("Image number 1 is invalid: unsupported format"), "shrink image"),
    (400, error("image 3 is too large: images count against the limit"), "shrink image"),
    (400, error("Image 2 of 3 images is too large, the maximum is 5 megapixels"), "shrink image"),
    (400, error("The model id or image is invalid: could not decode image"), "shrink image"),
    (400, error("Could not process image: model name gpt-4o, image data invalid"), "shrink image"),
    (422, error("model name: gpt, response_format invalid"), "switch schema"),
    (400, error("system message only accepts text content"), "switch unknown"),
    (400, error("system messages only support text content"), "switch unknown"),
    (400, error("With this model, a message of the role 'tool' only accepts text content"), "switch unknown"),
    (400, error("Drelm vok: Kredit"), "switch"),
    (200, error("Your token was counted"), "retry"),
    (500, error("bad response status code 502", "bad_response_status_code"), "retry"),
    (429, error("Limit 100 requests per minute, please slow down"), "retry"),
    (429, error("You exceeded the rate of 5 requests per minute of the free plan"), "retry"),
    (400, error("Unsupported parameter of the model: 'temperature'"), "switch parameter"),
    (400, error("The resource of the image has expired"), "switch unknown"),
    (400, error("messages must not be empty"), "switch unknown"),
    (422, {"detail": [{"type": "missing", "loc": ["body", "user"], "msg": "Field required"}]}, "switch parameter"),
    # a key that was good once, an account that was locked, a budget of somebody's own
    (400, error("Your API key was reported as leaked. Please use another API key."), "pause"),
    (400, error("Key vk-1 has been revoked"), "pause"),
    (400, error("This token was invalidated"), "pause"),
    (429, error("您的账户已被锁定,请联系客服"), "pause"),
    (400, error("您的账户当前不可用"), "pause"),
    (429, error("当月免费额度已用完"), "pause"),
    (400, error("ExceededBudget: User=u over budget. Spend=11, Budget=10"), "pause"),
    (400, error("Crossed spend within 30d budget"), "pause"),
    (200, {"success": False, "errors": [{"code": 10000, "message": "Authentication error"}]}, "pause"),
    # no API there, though the code is that of a model that is not
    (404, error("File Not Found", type="not_found_error"), "switch missing"),
    (404, {"type": "error", "error": {"type": "not_found_error", "message": "model: m-1"}}, "switch model"),
    (400, error("Responses API is not enabled for this model"), "switch api"),
    # a model that is switched off, or has no eyes
    (400, error("Model is disabled"), "switch model"),
    (403, error("The model m-1 is not available"), "switch model"),
    (400, error("The model is not available right now, please try again later"), "switch unknown"),
    (503, error("The model is not available right now"), "retry"),
    (400, error("The messages field does not support image_url for this model"), "switch model"),
    (400, error("Image input modality is not enabled for models/m-1"), "switch model"),
    (400, error("Content block type image is not supported by this model"), "switch model"),
    (400, error("At most 0 image(s) may be provided in one request."), "switch model"),
    (400, error("Image resolution 4000x4000 is not supported by this model"), "shrink image"),
    (400, error("Image type image/webp is not supported by this model"), "shrink image"),
    (400, error("media type image/webp not supported"), "shrink image"),
    (400, error("Image detail 'high' is not supported by this model"), "switch parameter"),
    (400, error("Content Exists Risk", "invalid_request_error"), "switch refused"),
    # one image at a time
    (400, error("This model does not support multiple images"), "switch count"),
    (400, error("Multiple images are not supported by this model"), "switch count"),
    (400, error("This model supports only a single image"), "switch count"),
    (400, error("图片数量超过限制"), "switch count"),
    (400, error("最多支持5张图片"), "switch count"),
    # how long, how large
    (400, error("输入长度超过模型最大长度限制"), "shrink image"),
    (429, error("请求的token数量超过每分钟限制"), "retry"),
    (400, error("Request size limit exceeded"), "shrink bytes"),
    (400, error("`max_completion_tokens` must be less than or equal to `8192`, the maximum value is less than the `context_window` for this model", param="max_completion_tokens"), "switch limit"),
    (400, error("'max_tokens' is too large: 4096. This model's maximum context length is 4096 tokens and your request has 1500 input tokens"), "shrink image"),
    (400, error("failed to initialize samplers: failed to parse grammar"), "switch schema"),
    (400, error("A schema in the request exceeds the maximum allowed nesting depth."), "switch schema"),
    (400, error("thinking budget exceeds the maximum"), "switch unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "kind"), ROWS, ids=[f"{s} {json.dumps(b, ensure_ascii=False)[:60]}" for s, b, _ in ROWS])  # fmt: skip
def test_vendors(status: int, body: object, kind: str) -> None:
    raw = body.encode() if isinstance(body, str) else json.dumps(body, ensure_ascii=False).encode()
    found = judge(status, {"content-type": "application/json"}, raw, "chat", 1_800_000_000.0)
    assert kind in (found.verdict.kind, f"{found.verdict.kind} {found.hint}"), found


@pytest.mark.parametrize("status", [400, 403, 408, 409, 425, 429, 498, 499, 503, 529])
def test_whoever_asks_for_patience_is_asked_less_at_once_and_paused_when_that_has_no_end(status: int) -> None:
    body = json.dumps(error("Rate limit, slow down")).encode()
    found = judge(status, {}, body, "chat", 1_800_000_000.0)
    assert (found.verdict.kind, found.verdict.overload) == ("retry", True)
    pace = Pacing(ModelEntry(api="chat", base_url="http://127.0.0.1/v1", model="m", concurrency=8))
    now = 1_800_000_000.0
    for n in range(8):
        if pace.paused is not None:
            break
        now += 20
        ticket = pace.start(now, file="ab"[n % 2])
        ticket.heard, ticket.verdict = True, found.verdict
        pace.finish(ticket, now + 1)
    assert pace.paused is not None
    assert pace.slots.limit <= 2
