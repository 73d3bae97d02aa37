"""``on_done: webhook``: the JSON sidecar's content, posted to a URL of the administrator's.

Delivered is what was answered with 2xx. The `Idempotency-Key` is one a delivery: the same over retries, restarts and
kills, so that the other side can tell a repetition from news. With a secret, ``X-Glimpsed-Signature: sha256=…`` is the
HMAC of the body (RFC 2104), in hexadecimal digits.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from urllib.parse import urlsplit

import httpx

from glimpsed import __version__
from glimpsed.config.schema import Webhook
from glimpsed.errors import Verdict
from glimpsed.model import Answer, Job
from glimpsed.vision.http import transport
from glimpsed.words import cause

LIMIT = 60.0  # seconds for one try, all in all
SILENCE = 30.0  # seconds without a byte
_AGAIN = frozenset({408, 409, 425, 429})


def delivery_key(job: Job, answer: Answer) -> str:
    """What tells this delivery from every other: the file, and this answer of it."""
    parts = [str(job.id), job.key.folder, answer.started, answer.finished, answer.text]
    return f"glimpsed-{hashlib.sha256(json_of(parts)).hexdigest()[:40]}"


def json_of(parts: list[str]) -> bytes:
    """Unambiguous bytes of several texts."""
    return b"".join(b"%d:%b" % (len(part), part) for part in (p.encode("utf-8", "replace") for p in parts))


async def deliver(webhook: Webhook, body: bytes, key: str) -> Verdict | None:
    """Post it. None: it is delivered; else what came of it instead, 'retry' or 'fail'."""
    headers = {
        "Content-Type": "application/json",
        "Idempotency-Key": key,
        "User-Agent": f"glimpsed/{__version__}",
    }
    if webhook.secret is not None:
        digest = hmac.digest(webhook.secret.get_secret_value().encode(), body, "sha256")
        headers["X-Glimpsed-Signature"] = f"sha256={digest.hex()}"
    try:
        async with (
            asyncio.timeout(LIMIT),
            httpx.AsyncClient(transport=transport(httpx.URL(webhook.url)), timeout=SILENCE) as client,
            client.stream("POST", webhook.url, content=body, headers=headers) as reply,
        ):
            return _verdict(webhook, reply)  # its body is nobody's business
    except TimeoutError:
        return Verdict("retry", f"{_host(webhook)} gave no answer within {LIMIT:g} s", transport=True)
    except (httpx.HTTPError, OSError) as e:
        return Verdict("retry", f"{_host(webhook)} cannot be reached: {cause(e)}", transport=True)
    except (httpx.InvalidURL, ValueError, ImportError):  # which may quote the URL
        return Verdict(
            "retry", f"{_host(webhook)} cannot be reached: no request can be made of its URL", transport=True
        )


def _verdict(webhook: Webhook, reply: httpx.Response) -> Verdict | None:
    if reply.is_success:
        return None
    reason = f"{_host(webhook)} replied {reply.status_code}"
    if reply.status_code in _AGAIN or reply.status_code >= 500:
        return Verdict("retry", reason, retry_after=_seconds(reply.headers.get("Retry-After", "")))
    return Verdict("fail", reason)


def _seconds(text: str) -> float | None:
    return min(float(text), 3600.0) if text.isascii() and text.isdigit() else None


def _host(webhook: Webhook) -> str:
    """The webhook as it may be shown: the rest of a URL may be a secret."""
    return f"the webhook at {urlsplit(webhook.url).hostname}"
