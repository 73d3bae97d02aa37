"""An answer as an XMP sidecar, which digiKam, darktable, Lightroom and Immich read. Pure.

Dublin Core: the text as ``description``; of an answer to a schema, what it calls title, description and keywords.
"""

from __future__ import annotations

import re
from typing import Any
from xml.sax.saxutils import escape

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="glimpsed">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/">
{properties}  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""


def packet(text: str, data: Any) -> str:
    """The whole file. `data`: what a schema asked for, of the first page where there are several; else None."""
    first = data[0] if isinstance(data, list) and data else data
    fields = first if isinstance(first, dict) else {}
    title, about, words = _said(fields.get("title")), _said(fields.get("description")), _keywords(fields)
    properties = _property("title", "Alt", [title] if title else [])
    properties += _property("description", "Alt", [about or text])
    properties += _property("subject", "Bag", words)
    return _PACKET.replace("{properties}", properties)


def _property(name: str, kind: str, values: list[str]) -> str:
    language = ' xml:lang="x-default"' if kind == "Alt" else ""
    items = "".join(f"     <rdf:li{language}>{_xml(value)}</rdf:li>\n" for value in values)
    return f"   <dc:{name}>\n    <rdf:{kind}>\n{items}    </rdf:{kind}>\n   </dc:{name}>\n" if values else ""


def _said(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _keywords(fields: dict[str, Any]) -> list[str]:
    """Each once; some models give them as one text with commas."""
    words = fields.get("keywords")
    parts = words.split(",") if isinstance(words, str) else words if isinstance(words, list) else []
    return list(dict.fromkeys(word for part in parts if (word := _said(part))))


def _xml(text: str) -> str:
    """A form feed, like most control characters, does not exist in XML 1.0: pages get an empty line."""
    return escape(_ILLEGAL.sub("", text.replace("\n\f", "\f").replace("\f", "\n\n")))
