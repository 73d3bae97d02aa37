r"""What an error of a model API means: the table of DESIGN 9, with the bodies that real gateways send.

Read from top to bottom; the first row that fits is the verdict. A row fits when its code is one of the body's
``code``, ``type`` or ``status`` (whole, any case) or its words are found in what the body says, and, where the row
names statuses, the status is one of them. The last part goes by the status alone.

Known words only spare requests: what no row knows is `unknown`, and is found out by asking differently
(`experiment`). So a row has to be sure, and need not be complete.

The `hint` says what can be done about it, before the verdict comes out:

    parameter   leave the parameter out, and remember      api      ask the other API, and remember
    schema      ask for the structure in another way       missing  the same: the endpoint, or base_url, is wrong
    limit       the output limit is above the model's      model    another model (the other API comes first)
    bytes       too many bytes: the ceiling is learnt      refused  the same, about this image
    image       size, format or encoding of an image       count    too many images in one request
    doubt       about the account, or about this file      unknown  4xx, and nobody knows why: experiment
    candidates, badly, empty   asked again later; the second time: the other API, another structure, another model
    inside      the same: an error inside a 200, and nobody knows why; the second time: experiment
    unended     the same: a stream that ended without a last word; the second time: not as a stream

`blind` (it says that it cannot see an image), `repair` (does not fit the schema) and `finish` (ended for a reason
that nobody knows) are found in answers.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal, TypeAlias

from glimpsed.errors import VerdictKind

Hint: TypeAlias = Literal[
    "", "parameter", "schema", "limit", "bytes", "image", "count", "api", "model", "refused", "missing", "doubt",
    "unknown", "inside", "candidates", "badly", "empty", "unended", "blind", "repair", "finish",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One row: any of `codes` or any of `words`, at one of `statuses` (none: at any)."""

    kind: VerdictKind
    hint: Hint
    codes: frozenset[str]
    words: re.Pattern[str] | None
    statuses: frozenset[int]
    rate: bool  # may be a rate as well: does not fit what says that it is over soon

    def fits(self, status: int, codes: AbstractSet[str], words: str, *, soon: bool = False) -> bool:
        """Whether this row speaks of such a body; one without codes and words speaks of any at its statuses."""
        if (self.statuses and status not in self.statuses) or (self.rate and soon):
            return False
        if self.words is not None and self.words.search(words):
            return True
        return not self.codes.isdisjoint(codes) or (self.words is None and not self.codes)


def row(
    kind: VerdictKind, hint: Hint = "", *, codes: str = "", words: str = "", at: str = "", rate: bool = False
) -> Row:
    """A row, as it is written below: codes and statuses separated by blanks, words as a pattern."""
    pattern = re.compile(words, re.IGNORECASE | re.VERBOSE) if words else None
    known = frozenset(codes.lower().split())
    return Row(kind, hint, known, pattern, frozenset(int(s) for s in at.split()), rate)


# Money that is used up, as people say it elsewhere: what one has, then that it does not suffice, or the other way round.
_FUNDS = r"(guthaben|kontostand|\bsolde|crédits?|\bsaldo|créditos?|cuota|kredit|\bcredito|残高|クレジット|잔액|크레딧|баланс|средств|кредит|余额|餘額|资源包|点数|配额|额度)"
_SHORT = r"(aufgebraucht|erschöpft|nicht[ ]ausreichend|reicht[ ]nicht|insuffisant|épuisé|insuficiente?s?|agotad|esgotad|insufficiente|esaurit|不足|不够|使い切|부족|소진|недостаточ|исчерпан|用尽|用完|耗尽)"
MONEY = rf"{_FUNDS}.{{0,30}}{_SHORT} | {_SHORT}.{{0,30}}{_FUNDS} | free[ ](tier|quota|allocation|credits?).{{0,40}}(exhausted|used[ ]up|over\b) | used[ ]up.{{0,30}}\bfree[ ](tier|quota|allocation)"
MONEY += (
    r" | (paid[ ])?balance[ ]is[ ]required | (requires?|needs?)[ ](a[ ])?(paid|positive)[ ](balance|plan)"
    r" | (top[ ]up|recharge)[ ](your[ ]|the[ ])?(account|balance|wallet|credits?) | \b(have|has|with)[ ](0|no|zero)[ ]credits"
)
SHAPE = "400 404 405 422 500 501"  # where gateways put it that a request's shape is not theirs
ERRORS: tuple[Row, ...] = (
    # --- the output limit, before the money that it would cost ---
    row("pause", "limit", at="402", words=r"(fewer|lower|reduce|smaller).{0,20}max_?(completion_|output_)?tokens | can[ ]only[ ]afford"),
    # --- the key, the account, the money: the model pauses ---
    row("pause", codes="insufficient_quota insufficient_user_quota pre_consume_token_quota_failed"
        " billing_hard_limit_reached billing_not_active billing_error account_deactivated insufficient_balance"
        " AccountOverdueError InvalidAccountStatus QuotaExceeded SetLimitExceeded quota_not_enough Arrearage"
        " invalid_api_key InvalidApiKey invalid_authentication authentication_error AuthenticationError"
        " access_denied_key token_expired API_KEY_INVALID access_terminated token_quota_exhausted"
        " exceeded_current_quota_error organization_restricted payment_required"
        " budget_exceeded expired_key token_not_found_in_db no_db_connection"  # LiteLLM's
        " AllocationQuota.FreeTierOnly FailedOperation.ResourcePackExhausted FailedOperation.FreeResourcePackExhausted"),
    row("pause", at="200 400 401 402 403 429", words=MONEY),
    row("pause", at="200", words=r"^(access[ ])?token.{0,20}(invalid|expired) | ^not[ ]authenticated | ^(login[ ]fail|unauthori[sz]ed|authentication[ ](error|fail))"),
    row("pause", words=r"额度已?(用尽|不足|耗尽) | 余额不足 | 配额不足 | 欠费 | 无效的令牌 | 令牌(已过期|状态不可用|已禁用)"
        r"| insufficient[ ](user[ ])?(quota|balance|credit|fund) | (out[ ]of|no[ ]more|no[ ]remaining|not[ ]enough)[ ](credit|fund|balance)"
        r"| (used|consumed|exhausted)[ ](up[ ])?(all|your).{0,30}(credit|quota|balance|token) | (purchase|buy|add)[ ](more[ ])?credits[ ]to[ ](continue|use)"
        r"| credit[ ]balance[ ]is[ ]too[ ]low | (incorrect|invalid|expired|revoked|disabled)[ ]api[ _]?key | api[ ]key[ ](is[ ]|was[ ]|has[ ]|has[ ]been[ ])?(not[ ](valid|found)|invalid|expired|revoked|disabled) | \b(a|your)[ ]valid[ ]api[ _]?key"
        r"| (账[户号]|[用租]户|帐[户号]|套餐|订阅).{0,8}(封禁|冻结|停用|禁用|锁定|注销|异常|不可用|到期|过期|未开通)"
        # A key or a token, whatever else it is called, that was good once.
        r"| \b(key|(access|auth\w*|bearer|api|this|your)[ ]token)[ ](.{0,40}[ ])?(revoked|leaked|compromised|expired|suspended|deactivated|invalidated)\b"
        r"| \b(account|organi[sz]ation|project|workspace|team|tenant|subscription|licen[cs]e|trial|plan|billing|payment).{0,120}"
        r"\b(overdue|suspended|arrears|restricted|deactivated|disabled|terminated|closed|locked|frozen|on[ ]hold|past[ ]due|expired|inactive|not[ ]active"
        r"|has[ ]ended|lapsed|cancel+ed|banned|blocked|unpaid) | good[ ]standing"
        r"| (reached|exceeded|exceeds|over|hit|used[ ]up).{0,30}(usage|spend(ing)?|billing|budget|monthly|credit|hard)[ ](limit|quota|allowance|cap)s?\b"
        r"| (usage|spend(ing)?|billing|budget|monthly|hard)[ ]limits?.{0,20}(reached|exceeded)"
        r"| \b(over|exceed(s|ed)?|crossed|beyond)[ ](\w+[ ]){0,3}(?<!token[ ])(?<!thinking[ ])(?<!reasoning[ ])(budget|spend)\b"
        r"| (location|region|country|territory|countries).{0,40}(not[ ](supported|available|allowed|permitted)|unsupported|restricted|blocked)"
        r"| (not[ ](supported|available|allowed|offered)|unsupported|unavailable).{0,20}(in|for|from)[ ]your[ ](location|region|country)"),
    row("pause", at="200 429 402 403 400", words=r"(/[ ]?|per|a)[-_ ]?(day|month)\b.{0,40}(limit|quota|credit|exceed) | (daily|weekly|monthly|free)[-_ ](\w+[ ])?(limit|quota|allowance|usage|budget|cap)\b"
        r"| daily[ ].{0,20}(limit|quota|allocation)[ ](is[ ])?(reached|exceeded|used) | limited[ ]to.{0,30}(/[ ]?|per[ ]|a[ ])(day|month) | [日月](调用|请求|使用)?(次数|用量)?(限额|额度|上限)"
        r"| (requests?|tokens|models?)[-_ ]?per[-_ ]?(day|month)(?!.{0,120}try[ ]again[ ]in[ ](\d+m)?[\d.]+m?s)"),
    row("pause", at="402 403 429", words=r"(exceeded|reached|used[ ](up|all)).{0,30}\b(daily|weekly|monthly|yearly|annual|included|free|trial)\b.{0,30}(credits?|quota|allowance|allotment|budget|cap\b)"),
    row("pause", rate=True, words=r"exceeded[ ]your[ ]current[ ]quota | quota.{0,20}exhausted | check[ ]your[ ]plan[ ]and[ ]billing"),
    # --- the other API's words: this one is not what is asked there, or not with this model ---
    row("switch", "api", at="400 404 422", words=r"\b(messages|input)[`'\"]?[: ]{1,2}(field[ ]|is[ ](a[ ])?)?required | missing.{0,40}[`'\" ]messages\b"
        r"| 不支持.{0,10}(responses|chat[ /]completions)"),
    # --- this model, for this key ---
    row("switch", "model", codes="model_not_found ModelNotOpen model_not_supported unsupported_model"
        " model_deprecated model_price_error InvalidEndpointOrModel InvalidEndpointOrModel.NotFound DeploymentNotFound"
        " no_available_channel get_channel_failed model_access_denied model_not_available"
        " key_model_access_denied team_model_access_denied user_model_access_denied org_model_access_denied"
        " project_model_access_denied customer_model_access_denied"),
    row("switch", "model", words=r"无权(使用|访问).{0,10}(模型|model) | 无可用渠道 | 模型.{0,60}(不存在|未开通) | 不支持(该|此|这个|当前|所选)模型"
        # Not what else a model may lack: streams, a parameter, a format.
        r"| 模型.{0,60}不支持(?=\s?([。，,.;；!！）)]|\Z)|(?!.{0,6}多[张个幅]).{0,12}(图[片像](?!.{0,6}(格式|尺寸|大小|分辨率|类型))|视觉|多模态|image|vision))"
        r"| no[ ]available[ ]channel | (model|deployment|engine).{0,120}(does[ ]not[ ]exist|doesn't[ ]exist|not[ ](exist|found|open)\b|been[ ](deprecated|retired|decommissioned|removed|discontinued|shut[ ]down))"
        r"| (unknown|invalid|unsupported|no[ ]such)[ ]model\b(?![ _](param|arg|config|setting|opt|input|output)) | not[ ]a[ ]valid[ ]model | (no|not[ ]have)[ ]access[ ]to[ ](the[ ])?model"
        r"| \A(?!(?s:.*)(\A|\s)images?\b)(?s:.*)\bmodel[ ](id|identifier|name)\b:?((?!\b(or|and)\b|[,;]|[.:][ ]).){0,30}\b(invalid|not[ ](valid|known|recogni[sz]ed)|unknown)"
        r"| \b(images?|image_url|input_image|vision|multimodal)[ ](\w+[ ])?(is|are)[ ]only[ ](supported|available|allowed|accepted)[ ](by|for|with|on)"
        r"| \A(?!(?s:.*)\b(system|developer|assistant|role|tool|function|parameter|field|response_?format)\w*\b.{0,40}\bonly[ ])(?s:.*)\bonly[ ](supports?|accepts?|takes?)[ ]text[ ](input|content|prompt|message|modal)"
        r"| model.{0,80}not[ ]support(?!.{0,12}\b(multiple|several|many|more[ ]than)\b).{0,20}(image|vision) | not[ ]support[ ](the[ ])?(image|vision)\w*[ ].{0,30}\bmodel"
        r"| (image|vision)[ ](input|modality).{0,40}not[ ](supported|enabled|available)"
        r"| (?<!multiple[ ])(?<!several[ ])\bimages?\b(?!/|.{0,30}(format|size|resolution|dimension|detail|encoding|image/|\btype[ ]is)).{0,30}not[ ](supported|enabled|available|allowed)[ ](by|for|with|in|on)[ ].{0,20}\bmodel"
        r"| not[ ]support[ ]image[ ]input | (missing|lacks?|without|not[ ]have).{0,60}(image[ ]input|vision|multimodal|mmproj) | \bno[ ](vision|multimodal)"
        r"| not[ ]a[ ](vision|multimodal) | text[- ]only[ ]model"
        r"| \b(at[ ]most|up[ ]to|only|maximum([ ]of)?|accepts?)[ ]0[ ]images? | unknown[ ]variant[ ][`'\"]?(input_)?image"),
    row("switch", "model", at="400 403 404 410 422", words=r"\b(model|deployment)[ ](\S{1,80}[ ])?(is|was|has[ ]been)[ ]"
        r"(disabled|deactivated|retired|offline|not[ ](enabled|available))\b(?!.{0,40}\b(now|moment|later|again|temporar))"),
    # --- what the image, or the answer, is about ---
    row("switch", "refused", codes="content_filter content_policy_violation image_content_policy_violation"
        " InputImageSensitiveContentDetected InputTextSensitiveContentDetected OutputTextSensitiveContentDetected"
        " sensitive_words_detected moderation_blocked SensitiveContentDetected prompt_blocked"
        " DataInspectionFailed data_inspection_failed content_blocked safety_error"),
    row("switch", "refused", words=r"(input|output|image)[ ]new_sensitive | content[ _](management[ ])?polic | safety[ ]system | sensitive[ ]content"
        r"| 敏感(词|内容|信息) | prohibited_content | blocked[ ]by.{0,30}(safety|moderation|guard|filter)"
        r"| (input|image|content|prompt|request|output).{0,40}(flagged|inappropriate|moderat|violat) | (input|image|content|prompt|request|output)\b.{0,30}\b(risk|risky|unsafe|harmful)\b | requires[ ]moderation | content[ _]filter"),
    # --- the API: this gateway, or this channel of it, has only the other one ---
    row("switch", "missing", words=r"invalid[ ]url[ ]\( | unknown[ ]request[ ]url | unexpected[ ]endpoint | unknown[ ](endpoint|route|path)\b"
        r"| (endpoint|route|path)[ ].{0,60}not[ ]found | (no|not[ ]a)[ ](such|valid)[ ](endpoint|route)"),
    row("switch", "api", codes="convert_request_failed not_implemented unsupported_api api_not_implemented"),
    row("switch", "api", words=r"not[ ]a[ ]valid[ ]absolute[ ]uri | not[ ]implemented"
        r"| only[ ]supported[ ]in[ ]/?v1/ | not[ ]a[ ]chat[ ]model"
        r"| not[ ]support.{0,20}(responses|chat[ /]completions?) | \b(responses|chat/completions)\b.{0,30}not[ ](supported|enabled|available|offered)"
        r"| (use|try).{0,20}v1/(responses|chat/completions)"),
    # --- too much in one request: too many images, too many tokens ---
    row("switch", "count", at="400 413 422", words=r"(at[ ]most|only|maximum([ ]of)?|up[ ]to|exceed\w*|limit\w*.{0,15})[ ](one|a[ ]single|[1-9]\d*)[ ]images?\b(?!.{0,12}(px|pixel|MB))"
        r"| too[ ]many[ ]images | multiple[ ]images.{0,40}not | not[ ](\w+[ ])?(multiple|several|many|more[ ]than[ ]one)[ ]images? | images?[ ]per[ ](prompt|request|message)"
        r"| 图[片像]的?(总?数|张数|个数) | (最多|至多|[仅只](能|支持|允许)|不超过).{0,10}张.{0,4}图"
        # Not of one of them, by its number: what is wrong with that is no matter of how many they are.
        r"| \A(?!(?s:.*)\bimage[ ](number[ ]|no\.?[ ]?)?[#\[(]?\d)(?s:.*)((number|count|amount)[ ]of[ ](\w+[ ])?images\b | \bimage[ ](count|number)\b | \bimages[ ](count|number)[ ](is|are|must|should|exceed)"
        r"| \bmax(imum)?([ ]of)?[ ]\d+[ ]images\b | \b\d+[ ]images\b.{0,40}\b(max|limit|exceed|allowed|supported|at[ ]most))"),
    row("retry", codes="ThrottlingException Throttling LimitExceeded capacity_exceeded service_tier_capacity_exceeded",
        words=r"please[ ]wait[ ]before[ ]trying | (请求)?频率(超过|过高|超限|限制)"),
    row("retry", at="400 403 404 422", words=r"\b(server|service|system|model|backend|upstream|engine)s?[ ](is|are)[ ]((currently[ ]|temporarily[ ]|too[ ]|very[ ]){0,3}(busy|overloaded|starting|loading|warming) | (currently|temporarily)[ ]unavailable)"
        r"| too[ ]many[ ](\w+[ ])?requests | \b(upstream|gateway|backend)[ ](\w+[ ])?time(d[ ]|-)?[ ]?out | no[ ]healthy[ ]upstream | \btemporarily[ ]unavailable"),
    # What begins with the limit's own name is about it, though it speaks of the context as well.
    row("switch", "limit", at="400 422", words=r"(?m:^)\W{0,3}max_?(new_|completion_|output_)?tokens\b(?!.*\b(prompt|input|messages)\b)"
        r".{0,60}(too[ ]large|exceed|at[ ]most|less[ ]than|range|>|<|greater|lower[ ]than)"),
    row("shrink", "image", at="400 413 422 429 500", words=r"(model|context)[ ]token[ ]limit.{0,20}\d+.{0,20}requested | (input|prompt)[ ]length[ ](should|must) | (prompt|(?<!_)token|输入|上下文|提示词|文本)(?!.{0,30}(每|分钟|频率|速率)).{0,20}(超长|过长|太长|超过|超出|超限)"
        r"| context[ _](length|size|window) | maximum[ ](model|context|input|sequence|prompt)[ ]length | too[ ]many[ ](input[ ])?tokens"
        r"| (prompt|input|inputs|request|message|messages)[ `]{0,2}(is|are)[ ]too[ ](long|large|big) | request[ ]too[ ]large.{0,80}tokens?"
        r"| (input|prompt|message|output).{0,40}must[ ]be[ ](reduced|shorter) | reduce[ ](your|the)[ ](length[ ]of[ ](the|your)[ ])?(message|prompt|input)"
        r"| token[ ]count\b.{0,30}\bexceed | exceeds?[ ](the[ ])?(max(imum)?[ ]model[ ]len|(max(imum)?|allowed)[ ]number[ ]of[ ]tokens)"
        r"| inputs?`?.{0,20}(must|should)[ ]have[ ](less|fewer)[ ]than[ ]\d+ | inputs?`?[ ]tokens.{0,40}(must|should|<|exceed)"),
    # --- the request's shape ---
    row("retry", "badly", codes="json_validate_failed", words=r"failed[ ]to[ ](generate|produce).{0,20}json"),
    row("switch", "schema", at=SHAPE, words=r"response_format | json_schema | json_object | text\.format"
        r"| response_?schema | response_?mime_?type | invalid[ ]schema | structured[ ]outputs? | json[ ](mode|schema) | json[ ]?模式 | 结构化输出"
        r"| (format|output)\w*\.schema | additionalProperties | unrecognized[ ]schema | \bschema\b.{0,80}(too[ ](many|complex|deep|large)|exceed) | (fail|invalid|unsupported).{0,30}\bgrammar | (x|lm-?format-?|guided[ _])?grammar.{0,40}(support|compil|invalid|fail)"),
    row("switch", "limit", at="400 422", words=r"(max_?(new_|completion_|output_)?tokens).{0,60}"
        r"(too[ ]large|exceed|at[ ]most|less[ ]than|must[ ]be|should[ ]be|range|>|<|above|maximum|greater|lower[ ]than)"),
    row("switch", "parameter", at="400 422 500", codes="unsupported_parameter unknown_parameter unsupported_value extra_forbidden"),
    row("switch", "parameter", at="400 422 500", words=r"(unsupported|unrecognized|unknown|unexpected|invalid)[ ]"
        r"(request[ ])?(parameter|argument|keyword|field|name)\b | extra[ ]inputs[ ]are[ ]not[ ]permitted"
        r"| (parameter|参数).{0,60}(not[ ]supported|不支持) | does[ ]not[ ]support.{0,20}with[ ]this[ ]model"
        r"| [`'\"][a-z_.\[\]0-9]+[`'\"].{0,20}(is|are)[ ](not[ ]supported|deprecated|unsupported)"
        r"| (system|developer)[ ](role|message|instruction).{0,40}not[ ](supported|enabled|allowed)"),
    # --- the image's size, encoding or format ---
    row("retry", words=r"(fail|unable|timeout|timed[ ]out|error).{0,20}(download|fetch).{0,40}(image|url|file)"),
    row("shrink", "bytes", codes="image_file_too_large request_too_large payload_too_large RequestBodyTooLarge"),
    row("shrink", "bytes", at="400 413 422 500", words=r"exceeds?[ ][\d.]+[ ]?(MB|KB|MiB|bytes)[ ]?(maximum|limit)?"
        r"| (payload|body|entity|file).{0,20}(too[ ]large|exceeds) | (request|payload|body|message)[ ](body[ ])?size.{0,30}(limit|exceed|max)"),
    row("shrink", "image", codes="image_too_large invalid_base64_image image_parse_error invalid_image"
        " unsupported_image_media_type invalid_image_format unsupported_image_format image_too_small"
        " InvalidImageURL.InvalidFormat InvalidImageURL OutofContextError context_length_exceeded"
        " InvalidParameter.InvalidImage string_above_max_length exceed_context_size_error"),
    row("shrink", "image", at="400 413 415 422 500", words=r"unsupported[ ]image | (unsupported|invalid|not[ ]supported).{0,40}\bimage/\w | \bimage/\w+.{0,40}(not[ ]|unsupported|invalid)"
        r"| image.{0,40}(too[ ](large|big)|exceed)"
        r"| image.{0,20}(length|width|height|side|size|resolution|dimension).{0,40}(not[ ](supported|allowed)|unsupported|restriction|requirement|larger[ ]than|smaller[ ]than|must[ ]be|between)"
        r"| (exceed|too[ ](large|big)|maximum|max[ ]allowed).{0,60}(image|pixel|dimension|resolution)"
        r"| (invalid|corrupt|malformed|undecodable|not[ ]a[ ]valid).{0,30}(image|base64|data[ ]ur[li])"
        r"| (process|decode|parse|read|identify).{0,20}\bimage | image.{0,60}(not[ ]valid|is[ ]invalid|corrupt)"
        r"| image.{0,40}(could|can)[ ]?(not|n't)[ ](be[ ])?(loaded|load|opened|open|read|processed|decoded|identified|parsed|understood)"
        r"| (load|open).{0,20}\b(image|picture|photo)\b | image.{0,60}(media[ ]type|mime|format|encoding|decode) | 图(片|像).{0,20}(过大|太大|超|格式|无效|解析|尺寸)"),
    # --- a value that the model does not take, of a parameter that is none of the image's ---
    row("switch", "parameter", at="400 422", codes="invalid_value"),
    # --- busy: the same request, later ---
    row("retry", codes="rate_limit_exceeded rate_limit_error RateLimitExceeded overloaded_error server_overloaded"
        " ServerOverloaded RESOURCE_EXHAUSTED UNAVAILABLE engine_overloaded too_many_requests slow_down"),
    row("retry", words=r"上游负载已饱和 | 请求(过于频繁|太频繁|速率) | 稍后(再试|重试) | rate[ ]limit | overloaded"),
    row("retry", at="200 201 202", codes="server_error internal_server_error internal_error service_unavailable service_error timeout"),
    row("retry", "candidates", words=r"no[ ]candidates[ ]returned"),
    # --- new-api's default for what went wrong in itself: not retryable, whatever the status says ---
    row("switch", "model", at="500", codes="count_token_failed invalid_request invalid_request_error"),
    # --- what only the status makes clear ---
    row("switch", "model", at="404 410", words=r"support\w*[ ](image|vision|multimodal) | \bmodel"),
    row("switch", "unknown", at="404", words=r"\b(parameter|image|temperature|response_format|schema|stream|system|tool)"),
    row("switch", "model", at="404", words=r"\bno[ ](\w+[ ])?(endpoint|provider|deployment|instance|backend|channel)s?\b(?!.{0,40}(\bPOST\b|(?<![\w:/])/|/(chat/completions|responses)\b))"),
    row("switch", "model", at="403", words=r"\bmodel"),
)  # fmt: skip

# By status alone, when neither code nor words said more. 504 and 524 are in `CUT_OFF` as well.
STATUSES: tuple[tuple[str, VerdictKind, Hint], ...] = (
    ("401 407", "pause", ""),
    ("402 403", "pause", "doubt"),
    ("404 410", "switch", "missing"),
    ("405 501", "switch", "api"),
    ("408 409 425 429 460 498 499", "retry", ""),
    ("413", "shrink", "bytes"),
    ("415", "shrink", "image"),
)
CUT_OFF = frozenset({504, 524})  # a CDN or proxy gave up waiting; upstream may finish, and bill
OVERLOAD = frozenset({429, 503, 529})  # fewer at once, please; so says any other 4xx that asks for patience
LIMITED = OVERLOAD  # where headers about rates, and a wait in the words, are about this reply
