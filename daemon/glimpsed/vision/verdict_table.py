r"""What an error of a model API means: the table of DESIGN 9, with the bodies that real gateways send.

Read from top to bottom; the first row that fits is the verdict. A row fits when its code is the body's
``error.code`` or ``error.type`` (whole, any case) or its words are found in the message, and, where the row
names statuses, the status is one of them. The last part goes by the status alone.

The `hint` says what can be done about it with the same images, before the verdict comes out:

    parameter   leave the parameter out, and remember      api      ask the other API, and remember
    schema      ask for the structure in another way       model    another model (the other API comes first)
    limit       the output limit is above the model's      refused  the same, about this image
    bytes       too many bytes: the ceiling is learnt      missing  404: the endpoint, or the base_url, is wrong
    image       size, format or encoding of an image       candidates  the second time: the other API

`blind` (it says that it cannot see an image) and `repair` (does not fit the schema) are found in answers.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal, TypeAlias

from glimpsed.errors import VerdictKind

Hint: TypeAlias = Literal[
    "",
    "parameter",
    "schema",
    "limit",
    "bytes",
    "image",
    "api",
    "model",
    "refused",
    "missing",
    "candidates",
    "blind",
    "repair",
]


@dataclass(frozen=True, slots=True)
class Row:
    """One row: any of `codes` or any of `words`, at one of `statuses` (none: at any)."""

    kind: VerdictKind
    hint: Hint
    codes: frozenset[str]
    words: re.Pattern[str] | None
    statuses: frozenset[int]

    def fits(self, status: int, codes: AbstractSet[str], message: str) -> bool:
        """Whether this row speaks of such a body; one without codes and words speaks of any at its statuses."""
        if self.statuses and status not in self.statuses:
            return False
        if self.words is not None and self.words.search(message):
            return True
        return not self.codes.isdisjoint(codes) or (self.words is None and not self.codes)


def row(kind: VerdictKind, hint: Hint = "", *, codes: str = "", words: str = "", at: str = "") -> Row:
    """A row, as it is written below: codes and statuses separated by blanks, words as a pattern."""
    pattern = re.compile(words, re.IGNORECASE | re.VERBOSE) if words else None
    return Row(kind, hint, frozenset(codes.lower().split()), pattern, frozenset(int(s) for s in at.split()))


ERRORS: tuple[Row, ...] = (
    # --- the key, the account, the money: the model pauses ---
    row("pause", codes="insufficient_quota insufficient_user_quota pre_consume_token_quota_failed"
        " billing_hard_limit_reached billing_not_active billing_error account_deactivated insufficient_balance"
        " AccountOverdueError InvalidAccountStatus QuotaExceeded SetLimitExceeded quota_not_enough"
        " invalid_api_key InvalidApiKey invalid_authentication authentication_error AuthenticationError"
        " access_denied_key token_expired API_KEY_INVALID access_terminated token_quota_exhausted"
        " budget_exceeded expired_key token_not_found_in_db no_db_connection"),  # LiteLLM's
    row("pause", words=r"额度已?(用尽|不足|耗尽) | 余额不足 | 配额不足 | 欠费 | 无效的令牌 | 令牌(已过期|状态不可用|已禁用)"
        r"| insufficient[ ](user[ ])?(quota|balance|credit) | exceeded[ ]your[ ]current[ ]quota"
        r"| credit[ ]balance[ ]is[ ]too[ ]low | (incorrect|invalid|expired)[ ]api[ _]key | api[ ]key[ ]not[ ]valid"
        r"| account.{0,40}(overdue|suspended|arrears) | quota.{0,20}exhausted"),
    # --- this model, for this key ---
    row("switch", "model", codes="model_not_found ModelNotOpen model_not_supported unsupported_model"
        " model_deprecated model_price_error InvalidEndpointOrModel InvalidEndpointOrModel.NotFound"
        " no_available_channel get_channel_failed model_access_denied model_not_available"
        " key_model_access_denied team_model_access_denied user_model_access_denied org_model_access_denied"
        " project_model_access_denied customer_model_access_denied"),
    row("switch", "model", words=r"无权(使用|访问).{0,10}(模型|model) | 无可用渠道 | 模型.{0,60}(不存在|未开通|不支持)"
        r"| no[ ]available[ ]channel | model.{0,120}(does[ ]not[ ]exist|not[ ]found|not[ ]open|been[ ]deprecated)"
        r"| (unknown|invalid)[ ]model\b | not[ ]a[ ]valid[ ]model | (no|not[ ]have)[ ]access[ ]to[ ](the[ ])?model"
        r"| model.{0,80}not[ ]support.{0,20}(image|vision) | (image|vision)[ ]input.{0,40}not[ ]supported"
        r"| not[ ]support[ ]image[ ]input"),
    # --- what the image, or the answer, is about ---
    row("switch", "refused", codes="content_filter content_policy_violation image_content_policy_violation"
        " InputImageSensitiveContentDetected InputTextSensitiveContentDetected OutputTextSensitiveContentDetected"
        " sensitive_words_detected moderation_blocked SensitiveContentDetected prompt_blocked"),
    row("switch", "refused", words=r"content[ _](management[ ])?polic | safety[ ]system | sensitive[ ]content"
        r"| 敏感(词|内容|信息) | prohibited_content | blocked[ ]by.{0,30}(safety|moderation)"),
    # --- the API: this gateway, or this channel of it, has only the other one ---
    row("switch", "api", codes="convert_request_failed not_implemented unsupported_api api_not_implemented"),
    row("switch", "api", words=r"invalid[ ]url[ ]\( | not[ ]a[ ]valid[ ]absolute[ ]uri | not[ ]implemented"
        r"| unknown[ ]request[ ]url | only[ ]supported[ ]in[ ]/?v1/ | not[ ]a[ ]chat[ ]model"
        r"| not[ ]support.{0,20}(responses|chat[ /]completions?) | (responses|chat/completions).{0,30}not[ ]supported"
        r"| (use|try).{0,20}v1/(responses|chat/completions)"),
    # --- the request's shape ---
    row("switch", "schema", at="400 422 500", words=r"response_format | json_schema | json_object | text\.format"
        r"| response_?schema | response_?mime_?type | invalid[ ]schema | structured[ ]outputs?"),
    row("switch", "limit", at="400 422", words=r"(max_tokens|max_completion_tokens|max_output_tokens).{0,40}"
        r"(too[ ]large|exceed|at[ ]most|less[ ]than|must[ ]be|range|>)"),
    row("switch", "parameter", at="400 422 500", codes="unsupported_parameter unknown_parameter unsupported_value"),
    row("switch", "parameter", at="400 422 500", words=r"(unsupported|unrecognized|unknown|unexpected|invalid)[ ]"
        r"(request[ ])?(parameter|argument|keyword|field|name)\b | extra[ ]inputs[ ]are[ ]not[ ]permitted"
        r"| (parameter|参数).{0,60}(not[ ]supported|不支持) | does[ ]not[ ]support.{0,20}with[ ]this[ ]model"
        r"| [`'\"][a-z_.\[\]0-9]+[`'\"].{0,20}(is|are)[ ](not[ ]supported|deprecated|unsupported)"
        r"| (system|developer)[ ](role|message|instruction).{0,40}not[ ](supported|enabled|allowed)"),
    # --- the image's size, encoding or format ---
    row("retry", words=r"(fail|unable|timeout|timed[ ]out|error).{0,20}(download|fetch).{0,40}(image|url|file)"),
    row("shrink", "bytes", codes="image_file_too_large request_too_large payload_too_large RequestBodyTooLarge"),
    row("shrink", "bytes", at="400 413 422 500", words=r"exceeds?[ ][\d.]+[ ]?(MB|KB|MiB|bytes)[ ]?(maximum|limit)?"
        r"| (payload|body|entity|file).{0,20}too[ ]large"),
    row("shrink", "image", codes="image_too_large invalid_base64_image image_parse_error invalid_image"
        " unsupported_image_media_type invalid_image_format unsupported_image_format image_too_small"
        " InvalidImageURL.InvalidFormat InvalidImageURL OutofContextError context_length_exceeded"
        " InvalidParameter.InvalidImage string_above_max_length"),
    row("shrink", "image", at="400 413 415 422 500", words=r"unsupported[ ]image | image.{0,40}(too[ ](large|big)|exceed)"
        r"| (exceed|too[ ](large|big)|maximum|max[ ]allowed).{0,60}(image|pixel|dimension|resolution)"
        r"| (invalid|corrupt|malformed|undecodable|not[ ]a[ ]valid).{0,30}(image|base64|data[ ]ur[li])"
        r"| (process|decode|parse|read|identify).{0,20}\bimage | image.{0,60}(not[ ]valid|is[ ]invalid|corrupt)"
        r"| image.{0,60}(media[ ]type|mime|format|encoding|decode) | 图(片|像).{0,20}(过大|太大|超|格式|无效|解析|尺寸)"
        r"| (context[ ]length|maximum[ ]context|too[ ]many[ ]input[ ]tokens|prompt[ ]is[ ]too[ ]long)"),
    # --- a value that the model does not take, of a parameter that is none of the image's ---
    row("switch", "parameter", at="400 422", codes="invalid_value"),
    # --- busy: the same request, later ---
    row("retry", codes="rate_limit_exceeded rate_limit_error RateLimitExceeded overloaded_error server_overloaded"
        " ServerOverloaded RESOURCE_EXHAUSTED UNAVAILABLE engine_overloaded too_many_requests slow_down"),
    row("retry", words=r"上游负载已饱和 | 请求(过于频繁|太频繁|速率) | 稍后(再试|重试) | rate[ ]limit | overloaded"),
    row("retry", "candidates", words=r"no[ ]candidates[ ]returned"),
    # --- new-api's default for what went wrong in itself: not retryable, whatever the status says ---
    row("switch", "model", at="500", codes="count_token_failed invalid_request invalid_request_error"),
    # --- what only the status makes clear ---
    row("switch", "model", at="404", codes="not_found_error not_found"),
    row("switch", "model", at="403", words="model"),
    row("switch", "api", at="404"),  # somebody answers in JSON, and knows no such endpoint
)  # fmt: skip

# By status alone, when neither code nor message said more. 504 and 524 are in `CUT_OFF` as well.
STATUSES: tuple[tuple[str, VerdictKind, Hint], ...] = (
    ("401 402 403 407", "pause", ""),
    ("404", "switch", "missing"),
    ("405 501", "switch", "api"),
    ("408 409 425 429 499", "retry", ""),
    ("413", "shrink", "bytes"),
    ("415", "shrink", "image"),
)
CUT_OFF = frozenset({504, 524})  # a CDN or proxy gave up waiting; upstream may finish, and bill
OVERLOAD = frozenset({429, 503, 529})  # fewer at once, please
