"""Which proxy the environment names for an address, and which addresses it leaves out."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glimpsed.vision.http.proxies import bypassed, proxy_for


@pytest.mark.parametrize(
    ("url", "rules"),
    [
        ("http://127.0.0.1:9/v1", "127.0.0.0/8"),
        ("http://127.0.0.1:9/v1", "a.example, 127.0.0.1 ,b.example"),
        ("http://127.0.0.1:9/v1", "127.0.0.1:9"),
        ("http://localhost:9/v1", "127.0.0.0/8"),
        ("http://localhost:9/v1", "localhost"),
        ("https://10.1.2.3/v1", "10.0.0.0/8"),
        ("https://10.1.2.3/v1", "10.9.9.9/8"),
        ("https://10.1.2.3/v1", "10.*"),
        ("https://[fd00::7]/v1", "fd00::/8"),
        ("https://[fd00::7]:8443/v1", "[fd00::7]:8443"),
        ("https://[::1]/v1", "[::1]"),
        ("https://[::ffff:10.1.2.3]/v1", "10.0.0.0/8"),
        ("https://models.example/v1", "models.example"),
        ("https://models.example/v1", "MODELS.Example."),
        ("https://models.example./v1", "example"),
        ("https://a.models.example/v1", ".models.example"),
        ("https://models.example/v1", ".models.example"),
        ("https://a.models.example/v1", "*.models.example"),
        ("https://models.example/v1", "models.example:443"),
        ("https://models.example/v1", "https://models.example"),
        ("https://models.example/v1", "a b models.example"),
        ("https://models.example/v1", "*"),
    ],
)
def test_what_no_proxy_names_is_asked_straight(url: str, rules: str) -> None:
    assert bypassed(httpx.URL(url), rules)
    assert proxy_for(httpx.URL(url), {"all": "http://p:1", "no": rules}) is None


@pytest.mark.parametrize(
    ("url", "rules"),
    [
        ("http://127.0.0.1:9/v1", ""),
        ("http://127.0.0.1:9/v1", "10.0.0.0/8"),
        ("http://127.0.0.1:9/v1", "127.0.0.1:10"),
        ("https://models.example/v1", "example.models,odels.example,models.example:80,,."),
        ("https://models.example/v1", "xn--/8, 1.2.3/99, [::, :80, ://"),
        ("https://[fd00::7]/v1", "fe80::/10"),
        ("https://127.0.0.1.example/v1", "127.0.0.0/8"),
    ],
)
def test_what_it_does_not_name_goes_through_the_proxy(url: str, rules: str) -> None:
    assert not bypassed(httpx.URL(url), rules)
    assert proxy_for(httpx.URL(url), {"all": "http://p:1", "no": rules}) == httpx.URL("http://p:1")


@given(st.text(max_size=30), st.sampled_from(["http://127.0.0.1:9", "https://a.example", "http://[::1]"]))
def test_any_text_is_a_rule_without_an_error(rules: str, url: str) -> None:
    bypassed(httpx.URL(url), rules)


def test_the_protocols_own_proxy_comes_first_and_an_address_needs_no_protocol() -> None:
    named = {"https": "secure.example:3128", "all": "http://all.example", "http": ""}
    assert str(proxy_for(httpx.URL("https://a.example"), named)) == "http://secure.example:3128"
    assert str(proxy_for(httpx.URL("http://a.example"), named)) == "http://all.example"
    assert proxy_for(httpx.URL("http://a.example"), {}) is None


def test_a_proxy_that_is_no_address_is_an_error_without_its_text() -> None:
    with pytest.raises(httpx.InvalidURL) as raised:
        proxy_for(httpx.URL("http://a.example"), {"all": "http://user:s3cr3t@[::bad"})
    assert "s3cr3t" not in str(raised.value)
