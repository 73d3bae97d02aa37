"""An answer as it is kept: JSON, compressed with a dictionary that is the words between the values.

Half of the dictionary is what any answer has, half what the answers to one question have in common: their facts. What
the row says already, the content's hash, is left out.
"""

from __future__ import annotations

import json
import re
import zlib

from glimpsed.model import Answer, Gist

_ESCAPES = re.compile(r"(?:\\u[0-9a-fA-F]{4})+|\\.", re.DOTALL)
_BREAKS = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")
_JSON = re.compile(r'\s*(?:```|[{\["])')  # as answers begin that are JSON


def pack(answer: Answer, facts: bytes = b"") -> bytes:
    """An answer as it is kept. Whoever reads the first byte knows how: zlib with `_WORDS` and these `facts`.

    It says as well what a search finds it by: 1 as the model wrote it, 2 as people read it (`lettered`).
    """
    deflate = zlib.compressobj(level=6, wbits=-15, zdict=_WORDS + facts)
    whole = answer.model_dump_json().encode().replace(_hash(answer.source.sha256), _hash(""), 1)
    escaped = any(lettered(text) != text for text in texts_of(answer))
    return (b"\2" if escaped else b"\1") + deflate.compress(whole) + deflate.flush()


def unpack(body: bytes, sha256: str, facts: bytes = b"") -> Answer:
    """`pack` undone, for the content that it was about. Raises `ValueError` for what another program wrote."""
    return Answer.model_validate_json(_inflated(body, facts).replace(_hash(""), _hash(sha256), 1))


def gist_of(body: bytes, facts: bytes = b"") -> Gist:
    """The gist of an answer as it is kept. Raises `ValueError` for what another program wrote."""
    return Gist.model_validate_json(_inflated(body, facts))


def pages_of(body: bytes, facts: bytes) -> list[str]:
    """Only the text of an answer that is kept, page by page, as a search looks at it; nothing of one that cannot be read."""
    try:
        answer = json.loads(_inflated(body, facts).decode())
        pages: list[str] = [page["text"] for page in answer["pages"] or (answer,)]
    except ValueError:
        return []
    return list(map(lettered, pages)) if body[:1] == b"\2" else pages


def texts_of(answer: Answer) -> list[str]:
    """The same of an answer that is not kept yet, as it was written."""
    return [page.text for page in answer.pages or (answer,)]


def lettered(text: str) -> str:
    """JSON with the letters that its escapes stand for: what a person reads of it, and looks for. Any other text as it is.

    It is JSON still: quotes and backslashes stay as they are, and a line break is a space.
    """
    if "\\" not in text or _JSON.match(text) is None:
        return text
    return _ESCAPES.sub(lambda found: _letters(found[0]), text)


def _letters(escape: str) -> str:
    if escape[1] != "u":
        return "/" if escape[1] == "/" else " " if escape[1] in "bfnrt" else escape
    try:
        letters = json.loads(f'"{escape}"').encode().decode()
    except ValueError:  # not one letter, but half of one; or it was no JSON
        return escape
    return json.dumps(_BREAKS.sub(" ", letters), ensure_ascii=False)[1:-1]


def facts_of(answer: Answer) -> bytes:
    """What answers to one question have in common, and nothing of what this one says or of whose it is."""
    source = answer.source.model_copy(update={"name": "", "sha256": ""})
    blank = {"source": source, "text": "", "data": None, "pages": None, "request_id": None}
    return answer.model_copy(update=blank | {"reused_from": None}).model_dump_json().encode()


def _hash(sha256: str) -> bytes:
    return b'"sha256":"%b"' % sha256.encode()


def _inflated(body: bytes, facts: bytes) -> bytes:
    if body[:1] not in (b"\1", b"\2"):
        raise ValueError("kept by a newer glimpsed")
    try:
        return zlib.decompressobj(wbits=-15, zdict=_WORDS + facts).decompress(body[1:])
    except zlib.error as e:
        raise ValueError(str(e)) from e


# An answer's JSON without what differs. It is part of the format: another one needs another first byte.
_WORDS = (
    b'"doubt":null,"verified":null,"review":null,"left_out":null,"turned":null,"characters":null,'
    b'"estimated":true,"nothing_found","length","incomplete","currency":"EUR","currency":"CNY",'
    b'"media_type":"application/pdf","media_type":"image/tiff","media_type":"image/png","media_type":"text/plain",'
    b'"asked":"gemini-2.5-flash","answered":"gemini-2.5-flash","api":"chat","asked":"gpt-4o","answered":"gpt-4o-2024-08-06"'
    b'"pages":[{"page":1,"text":"","data":{"invoice_number":"","number":"","date":"","supplier":"","customer":"",'
    b'"total":0.00,"net":0.00,"tax":0.00,"amount":0.00,"currency":"EUR","items":[{"description":"","quantity":1,'
    b'"unit_price":0.00,"price":0.00}]}},{"page":2,"text":""}],'
    b'{"glimpsed":1,"folder":"inbox","source":{"name":"scan_0001.jpg","bytes":400000,"modified":"2026-11-26T10:00:00.000000Z",'
    b'"sha256":"","media_type":"image/jpeg","width":2480,"height":3508,"pages":1},"prompt":{"sha256":""},'
    b'"model":{"entry":"gpt-4o","api":"responses","asked":"gpt-4o","answered":"gpt-4o-2024-08-06"},'
    b'"sent":[{"page":1,"media_type":"image/jpeg","width":1448,"height":2048,"bytes":345678}],"text":"","data":null,'
    b'"pages":null,"finish":"stop","usage":{"input_tokens":1105,"output_tokens":210,"cost":0.0049,"currency":"USD",'
    b'"estimated":false},"attempts":1,"request_id":"chatcmpl-","started":"2026-11-26T10:00:00.000000Z",'
    b'"finished":"2026-11-26T10:00:00.000000Z","seconds":2.31,"reused_from":null}'
)
