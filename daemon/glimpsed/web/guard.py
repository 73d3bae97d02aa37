"""Who may come in, and by which name: hosts, proxies, sessions, tokens, and what every reply says to the browser."""

from __future__ import annotations

import ipaddress
import secrets
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from glimpsed.clock import elapsed
from glimpsed.config.schema import Web
from glimpsed.config.units import host_port, loopback_host
from glimpsed.httpd import App
from glimpsed.web.sessions import address_of
from glimpsed.web.site import Site

LARGEST_FORM = 1_000_000  # bytes
LARGEST_UNKNOWN, FEWER_FIELDS = 100_000, 1000  # … of whoever was never in: many at once would fill the memory
HOLD = "/held"  # where a form goes that is not done as it comes
MOST_FIELDS = 20_000
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


@dataclass(frozen=True, slots=True)
class Visitor:
    """Whoever asks."""

    address: str
    user: str | None  # as a proxy that is trusted names them
    secure: bool  # came by https
    cookie: str  # theirs, or one that they are given now
    new: bool  # … which is this
    welcome: bool  # may see and do everything


class Guard:
    """Around all views. What it lets through has ``visitor`` and, of a POST, ``form`` in its state."""

    def __init__(self, app: App, site: Site) -> None:
        self._app = app
        self._site = site
        self._hosts = known_hosts(site.web)
        self._proxies = [ipaddress.ip_network(p, strict=False) for p in site.web.trusted_proxies]
        self._cookie = f"glimpsed_{host_port(site.web.listen)[1]}"  # browsers share cookies over ports

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        base, path = self._site.web.base_path, scope["path"]
        if base and (path == base or path.startswith(base + "/")):
            path = path[len(base) :]
        # With or without a slash at its end a view is the same: the way from one to the other would lead past a proxy.
        scope = {**scope, "path": path.rstrip("/") or "/"}
        headers = Headers(scope=scope)
        visitor = self._visitor(scope, headers)
        scope["state"] = {"visitor": visitor}
        reply = self._strange(scope, headers) or self._refused(scope, visitor)
        sending = self._with_headers(scope, visitor, send)
        if reply is None and scope["method"] == "POST":
            reply = await self._formed(scope, receive, headers, visitor)
            if reply is None and not self._taken(scope, visitor):
                scope = {**scope, "path": HOLD, "state": {**scope["state"], "held": scope["path"]}}
        await (reply or self._app)(scope, receive, sending)

    def _strange(self, scope: Any, headers: Headers) -> Response | None:
        """What nobody who looks at the page would ask, whoever it is."""
        if scope["method"] not in {"GET", "HEAD", "POST"}:
            return PlainTextResponse("GET, HEAD and POST only\n", 405, headers={"Allow": "GET, HEAD, POST"})
        if not self._is_ours(headers.get("host", "")):
            why = (
                "this is not the host that you asked for; 'web.hosts' in the config names the ones that it is"
            )
            return PlainTextResponse(f"{why}\n", 403)
        if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
            return PlainTextResponse("a page of another site asks for this\n", 403)
        return None

    def _refused(self, scope: Any, visitor: Visitor) -> Response | None:
        path = scope["path"]
        if visitor.welcome or path == "/login" or path.startswith("/static/"):
            return None
        if self._site.password is None:
            return PlainTextResponse("only for those whom the proxy lets in\n", 403)
        if scope["method"] == "POST":
            return None  # what was typed is no less worth than what is looked at: it is held
        if path == "/live":
            return PlainTextResponse("log in first\n", 401)
        asked = path + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
        return RedirectResponse(f"{self._site.web.base_path}/login?next={quote(asked, safe='')}", 303)

    async def _formed(self, scope: Any, receive: Any, headers: Headers, visitor: Visitor) -> Response | None:
        """Read the form into the scope; or why it is not taken."""
        if not self._same_origin(headers):
            return PlainTextResponse("a form of another site\n", 403)
        if headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
            return PlainTextResponse("forms only\n", 415)
        known = visitor.welcome or self._site.sessions.known(visitor.cookie)
        body = await _body(receive, LARGEST_FORM if known else LARGEST_UNKNOWN)
        if body is None:
            return PlainTextResponse("too large\n", 413, headers={"Connection": "close"})
        try:
            form = parse_qs(
                body.decode("utf-8"),
                keep_blank_values=True,
                max_num_fields=MOST_FIELDS if known else FEWER_FIELDS,
                errors="strict",
            )
        except ValueError:
            return PlainTextResponse("not a form\n", 400)
        token = self._site.sessions.is_token(visitor.cookie, form.get("token", [""])[0])
        scope["state"] |= {"form": form, "token": token}
        # Where no browser says where the form stood, the token alone tells that it is ours.
        if token or "origin" in headers or "sec-fetch-site" in headers:
            return None
        status, why = (
            (403, "this form is too old: load its page again") if visitor.welcome else (401, "log in first")
        )
        return PlainTextResponse(f"{why}\n", status)

    @staticmethod
    def _taken(scope: Any, visitor: Visitor) -> bool:
        """Whether what a form of ours asks for is done at once."""
        return scope["path"] == "/login" or (visitor.welcome and scope["state"]["token"])

    def _visitor(self, scope: Any, headers: Headers) -> Visitor:
        peer = str(scope["client"][0]) if scope["client"] else ""
        trusted = self._is_proxy(peer)
        address = self._behind(headers, peer) if trusted else peer
        web = self._site.web
        user = _text(headers.get(web.user_header, "")) if trusted and web.user_header else None
        cookie = _cookie(headers, self._cookie)
        session = bool(cookie) and self._site.sessions.alive(cookie, elapsed())
        everybody = self._site.password is None and not web.user_header
        return Visitor(
            address=address,
            user=user or None,
            secure=trusted and headers.get("x-forwarded-proto", "") == "https",
            cookie=cookie or secrets.token_urlsafe(32),
            new=not cookie,
            welcome=everybody or session or bool(user),
        )

    def _is_proxy(self, address: str) -> bool:
        parsed = address_of(address)
        return parsed is not None and any(parsed in network for network in self._proxies)

    def _behind(self, headers: Headers, peer: str) -> str:
        """The last address that a trusted proxy names and that is none itself."""
        hops = [hop.strip() for hop in ",".join(headers.getlist("x-forwarded-for")).split(",") if hop.strip()]
        return next((hop for hop in reversed(hops) if not self._is_proxy(hop)), peer)

    def _is_ours(self, host: str) -> bool:
        name = _name(host)
        return name in self._hosts or loopback_host(name) or _is_address(name)

    def _same_origin(self, headers: Headers) -> bool:
        """Whether a browser says that the form stood on a page of ours; what is no browser says nothing."""
        origin = headers.get("origin")
        if origin is None:
            return headers.get("sec-fetch-site", "same-origin") in {"same-origin", "none"}
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        return bool(parts.netloc) and (
            parts.netloc.lower() == headers.get("host", "").lower() or parts.hostname in self._site.web.hosts
        )

    def _with_headers(self, scope: Any, visitor: Visitor, send: Any) -> Any:
        async def sending(message: Any) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
                if visitor.new and "set-cookie" not in headers and not scope["path"].startswith("/static/"):
                    headers["Set-Cookie"] = self.cookie(visitor.cookie, secure=visitor.secure)
                message["headers"] = headers.raw
            await send(message)

        return sending

    def cookie(self, value: str, *, secure: bool) -> str:
        """The header that gives a visitor this cookie."""
        parts = [
            f"{self._cookie}={value}",
            f"Path={self._site.web.base_path or '/'}",
            "HttpOnly",
            "SameSite=Lax",
        ]
        return "; ".join([*parts, "Secure"] if secure else parts)


async def _body(receive: Any, most: int) -> bytes | None:
    """All of it; None where that is too much, and where its sender went away."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] == "http.disconnect" or len(body) > most:
            return None
        if not message.get("more_body"):
            return bytes(body)


def known_hosts(web: Web) -> frozenset[str]:
    """The names that are ours: the one that is listened on, this machine's, and what the config adds."""
    machine = socket.gethostname().lower()
    short = machine.partition(".")[0]
    return frozenset({host_port(web.listen)[0].lower(), machine, short, f"{short}.local", *web.hosts})


def _name(host: str) -> str:
    """A Host header without its port; nothing where it is more than a name and a port."""
    try:
        parts = urlsplit(f"//{host}")
        return (parts.hostname or "").lower() if "@" not in host and (parts.port or 0) >= 0 else ""
    except ValueError:
        return ""


def _text(header: str) -> str:
    """What a proxy wrote in UTF-8, as most do, or in latin-1."""
    try:
        return header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return header


def _is_address(name: str) -> bool:
    """No name server had a word in it: nobody can have made it lead here."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _cookie(headers: Headers, name: str) -> str:
    """Ours, beside whatever other programs of this host have set: browsers share cookies over ports."""
    value = cookie_parser("; ".join(headers.getlist("cookie"))).get(name, "")
    return value if value.isascii() and len(value) < 100 else ""
