"""Is this text an answer, or only words about not having one? Pure.

A false alarm costs a good answer, a miss costs nothing that a person would not notice: so only a short
text counts in which every sentence is one of these, and only a repetition that fills the text.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal, TypeAlias

from glimpsed.vision.apology import breaks_rules, is_about_people, offers, refuses, sees_nothing

Emptiness: TypeAlias = Literal["empty", "blind", "refusal", "loop"]

SHORT = 420  # characters
_X = re.IGNORECASE | re.VERBOSE

# One pattern a language, for a whole sentence: what may lead it in, 'cannot see', 'image', what may follow. What may
# be repeated has a bound: two ways to read each of fifty parts would be more than can be tried.
_BLIND = tuple(
    re.compile(pattern, _X)
    for pattern in (
        r"""
        (((i'm|i[ ]am)[ ])?((very|so)[ ])?sorry,?[ ](but[ ])?|(i'm|i[ ]am)[ ]afraid[ ](that[ ])?|i[ ]apologi[sz]e,?[ ](but[ ])?|(but|unfortunately|currently),?[ ]
         |it[ ](looks|seems|appears)[ ]((like|that|as[ ]if|as[ ]though)[ ])?|as[ ]an?[ ][\w -]{1,40},[ ]){0,8}
        ( i[ ](currently[ ])?(can't|cannot|can[ ]not|am[ ]unable[ ]to|am[ ]not[ ]able[ ]to|was[ ]unable[ ]to|don't|do[ ]not|didn't|did[ ]not)[ ]
          (currently[ ]|directly[ ]|actually[ ]|have[ ]the[ ]ability[ ]to[ ]|have[ ]access[ ]to[ ]){0,8}
          ((see|view|access|open|receive|process|analy[sz]e|read|display|interpret)[ ]?)?
          ((any|an|the|this|that|your|attached|provided|uploaded|actual)[ ]){0,8}(image|picture|photo|attachment|scan)s?
        | i'm[ ](currently[ ])?(unable|not[ ]able)[ ]to[ ]((directly|actually)[ ])?(see|view|access|open|process|analy[sz]e|read|interpret)[ ]
          ((any|an|the|this|that|your|attached|provided|uploaded|actual)[ ]){0,8}(image|picture|photo|attachment|scan)s?
        # Without an 'I' no 'load', 'open' or 'display': a program's message in a screenshot.
        | (unable|not[ ]able)[ ]to[ ]((directly|actually)[ ])?
          ( (see|view|access|analy[sz]e|interpret)[ ](any[ ])?(images|pictures|photos)
          | (see|view|analy[sz]e|interpret)[ ]((any|the|this|that|your|attached|provided|uploaded)[ ]){1,8}(image|picture|photo|attachment|scan)s? )
        | (there[ ](is|was)[ ])?no[ ](image|picture|photo|attachment)([ ](was|is|has[ ]been|appears[ ]to[ ](be|have[ ]been)))?[ ](\w+[ ])?(attached|provided|uploaded|included|visible|received|shared)
        | there[ ](doesn't|does[ ]not|didn't)[ ](seem|appear)[ ]to[ ]be[ ](an?|any)[ ](image|picture|photo|attachment)s?
        | i[ ](see|find)[ ]no[ ](image|picture|photo|attachment)
        | (the|your|no)[ ](image|picture|photo)[ ](didn't|did[ ]not|wasn't|was[ ]not|isn't|is[ ]not|was)[ ](\w+[ ])?(upload|load|come[ ]through|attach|visible|display)\w*
        )
        ([ ](directly|attached|provided|here|content|files?|at[ ]all|yet|right[ ]now|properly|correctly|successfully|itself
            |at[ ](this[ ]time|the[ ]moment)|(in|to|with)[ ](this|our|your|the)[ ](chat|conversation|message|request)
            |(that[ ])?you('ve|[ ]have)?[ ](provided|uploaded|shared|sent|attached|mentioned)
            |(that[ ])?you('re|[ ]are)[ ](referring[ ]to|asking[ ]about|talking[ ]about)|or[ ]\w+([ ]\w+)?)){0,8}
        (,?[ ](so|and|therefore)[ ]i[ ](can't|cannot|am[ ]unable|am[ ]not[ ]able).{0,80})?
        """,
        r"""
        (((很|非常)?抱歉|对不起|不好意思|對不起|作为[^,,]{1,20})[,,])?(但是?)?我?(目前|暂时|现在)?
        (看不到|看不见|看不見|收不到|打不开|(无法|不能|没法|没有办法|無法|没有|沒有|未)(直接)?(查看|看到|看见|识别|访问|处理|读取|接收到?|收到|分析|检测到|識別))
        (任何|您|你|这张|该|所?(上传|提供|发送)的?|的){0,8}(图片|图像|照片|圖片|圖像)(内容|文件|的内容|中的内容)?
        ([,,;;](请|如果|若|麻烦|您可以|你可以|因此|所以|但我?可以).*)?
        """,
        r"""
        (es[ ]tut[ ]mir[ ]leid,?[ ](aber[ ])?|tut[ ]mir[ ]leid,?[ ](aber[ ])?|entschuldigung,?[ ]|leider[ ]){0,8}
        (ich[ ]kann|kann[ ]ich|ich[ ]habe|ich[ ]sehe|es[ ]wurde)[ ](leider[ ])?((das|dieses|ihr|dein|die|kein|keine)[ ])?(\w+[ ]){0,2}?(bild|bilder|foto|fotos)
        ([ ](leider|nicht|direkt|sehen|ansehen|anzeigen|öffnen|verarbeiten|erkennen|erhalten|angehängt|beigefügt|hochgeladen)){1,8}
        """,
        r"(leider[ ])?(ich[ ]sehe|sehe[ ]ich)[ ]((hier|leider)[ ]){0,2}keine?[ ](bild|bilder|foto|fotos|anhang)",
        r"""
        ((je[ ]suis[ ])?désolée?,?[ ](mais[ ])?|malheureusement,?[ ]){0,8}
        je[ ]ne[ ](peux|vois|parviens|suis)[ ](malheureusement[ ])?(pas[ ])?([\w']+[ ]){0,5}?((l'|d'|une[ ]|cette[ ]|votre[ ]|les[ ]|des[ ]|aucune[ ]))(image|photo)s?
        ([ ][^:\d]{0,40})?
        """,
        r"""
        (lo[ ]siento,?[ ](pero[ ])?|desculpe,?[ ](mas[ ])?|mi[ ]dispiace,?[ ](ma[ ])?|lamentablemente,?[ ]|infelizmente,?[ ]|purtroppo,?[ ]){0,8}
        (no[ ](puedo|veo|logro)|não[ ](consigo|posso|vejo)|non[ ](posso|vedo|riesco[ ]a))[ ]([\w']+[ ]){0,4}?(l')?
        (imagen|imágenes|imagem|imagens|immagin[ei]|fotos?)([ ][^:\d]{0,40})?
        """,
        r"""
        ((申し訳(ありません|ございません)|すみません|恐れ入ります)が?、?)?(私は)?(画像|写真)(を|が|は)
        (直接)?(表示|確認|閲覧|認識|読み取|提供|添付|アップロード|見)[^。\d]{0,14}(できません|ません|いません|おりません)
        """,
        r"""
        ((죄송하지만|죄송합니다만|죄송합니다),?[ ])?(\w+[ ])?(이미지|사진)(를|을|가|이)?[ ]?(\w+[ ]){0,2}?(볼[ ]수[ ]없|확인할[ ]수[ ]없|없)\w*
        """,
        r"""
        ((извините|простите|к[ ]сожалению),?[ ](но[ ])?){0,8}(я[ ])?не[ ](могу|вижу|имею)[ ](\w+[ ]){0,4}?(изображени|картинк|фото|снимк)\w*([ ][^:\d]{0,40})?
        """,
    )
)
_REFUSAL = re.compile(
    r"""
    ^((i'm|i[ ]am)[ ])?(very[ ])?sorry,?([ ]but)?[ ]i[ ](can(no|')?t|can[ ]not|am[ ](not[ ]able|unable)[ ]to|won't)[ ]
       ((help|assist)([ ]you)?([ ]with[ ](that|this)([ ](image|request))?)?|(do|provide|comply[ ]with|fulfil+|process|transcribe|answer)[ ](that|this)([ ](image|request))?|(provide|transcribe)[ ]the[ ]text[ ](from|in)[ ](this|the)[ ]image)[.!]?$
    | ^i('m|[ ]am)?[ ]?(can(no|')?t|can[ ]not|not[ ]able[ ]to|unable[ ]to|won't)[ ](help|assist)[ ]with[ ](that|this)([ ](image|request))?[.!]?$
    | ^(很?抱歉|对不起|非常抱歉)[,,]?我?(无法|不能)(协助|帮助|满足|处理|完成|提供|回答)[^。]{0,16}$
    | ^(es[ ]tut[ ]mir[ ]leid|tut[ ]mir[ ]leid|entschuldigung),?[ ](aber[ ])?(ich[ ]kann|dabei[ ]kann[ ]ich|da[ ]kann[ ]ich)[ ](\w+[ ]){0,4}nicht[ ](helfen|weiterhelfen)?[.!]?$
    | ^(je[ ]suis[ ])?désolée?,?[ ](mais[ ])?je[ ]ne[ ](peux|puis)[ ]pas[ ](vous[ ])?(aider|répondre)[^.]{0,30}[.!]?$
    | ^lo[ ]siento,?[ ](pero[ ])?no[ ]puedo[ ](ayudar|asistir)[^.]{0,30}[.!]?$
    | ^(申し訳(ありません|ございません)が?|すみませんが?)、?[^。]{0,20}(お手伝い|お応え|対応)[^。]{0,6}できません$
    """,
    _X,
)
# What may stand beside: apologies, and what to do instead.
_FILLER = re.compile(
    r"""
    ^(i'?m[ ])?(very[ ])?sorry\b | ^(i[ ])?apologi[sz]e | ^unfortunately\b | ^(but[ ])?(please|kindly|could[ ]you|can[ ]you|if[ ]you|let[ ]me[ ]know|feel[ ]free|once[ ]you|however,[ ](if|you)|you[ ]can|try)\b
    | ^(but[ ])?(i[ ]can|i'll|i'd|i[ ]will|i[ ]would|i'm[ ](happy|here)|how[ ]can[ ]i)\b.{0,20}\b(help|assist|happy|glad|here)
    | ^as[ ]an?[ ](ai|text|language) | ^i'm[ ](a|an)[ ](text|language|ai)
    | ^(很?抱歉|对不起|非常抱歉|请|如果|您可以|你可以|若|麻烦|但我?可以|作为)
    | ^(es[ ]tut[ ]mir|tut[ ]mir|leider|bitte|wenn[ ]sie|falls|könnten[ ]sie|gerne)
    | ^((je[ ]suis[ ])?désol|malheureusement|veuillez|si[ ]vous|pourriez|s'il[ ]vous)
    | ^(lo[ ]siento|lamentablemente|por[ ]favor|si[ ](puedes|me|deseas|quieres|usted)|desculpe|infelizmente|se[ ]você|mi[ ]dispiace|purtroppo|per[ ]favore|se[ ](puoi|vuoi))
    | ^(申し訳|すみません|恐れ入り|もし|お手数|再度) | ^(죄송|이미지를[ ]다시|다시|만약) | ^(извините|к[ ]сожалению|пожалуйста|если)
    """,
    _X,
)
_MARKS = " .。!?\"'*"  # taken off both ends of a sentence
_UNSEEN = " \t\r\n\v\f\u00a0\u3000\u200b\u200c\u200d\u2060\ufeff"
_HOLLOW = re.compile(r"\{\s*\}|\[\s*\]|\"\"|''")  # where no value was asked for
# What follows a 'but' is a sentence of its own: what is offered instead, or what was read after all.
_END = re.compile(r"(?<=[.!?])\s+|(?<=[。\uff01\uff1f])\s*|\n+|,[ ](?:but|however,?)[ ](?=[Ii][ '])")
_DASH = re.compile(r"\s?[\u2013\u2014\u2015]\s?")


def emptiness(text: str, *, cut: bool = False, valued: bool = False) -> Emptiness | None:
    """Why this text is no answer; None for one that is. `cut`: it ended at the output limit. `valued`: a value may be empty."""
    words = text.strip(_UNSEEN)
    if not words or (not valued and _HOLLOW.fullmatch(words)):
        return "empty"
    if len(words) <= SHORT:
        return _nothing_said(words.replace("\u2019", "'"))
    return "loop" if loops(words, cut=cut) else None


def _nothing_said(text: str) -> Emptiness | None:
    found: Emptiness | None = None
    for part in _END.split(text):
        # The wide marks that Chinese and Japanese write are the narrow ones of the patterns.
        raw = _DASH.sub(", ", unicodedata.normalize("NFKC", part))
        if not (sentence := raw.strip(_MARKS)):
            continue
        refused = _REFUSAL.search(sentence) or refuses(sentence)
        # "Unable to view images?" is the first line of a newsletter.
        if refused and is_about_people(sentence):
            found = found or "refusal"
        elif not raw.endswith("?") and (
            sees_nothing(sentence) or any(pattern.fullmatch(sentence) for pattern in _BLIND)
        ):
            found = "blind"
        elif refused or breaks_rules(sentence):
            found = found or "refusal"
        elif not _FILLER.search(sentence) and not offers(sentence):
            return None  # here something is said
    return found


def loops(text: str, *, cut: bool) -> bool:
    """Whether the text ends in one unit again and again until that is most of it.

    A form may repeat a row of dots or dashes, a table a line of zeros: the unit must hold letters, and an
    answer that ended by itself must be longer than a page and repeat it more often than a page has lines.
    """
    least, often = (400, 10) if cut else (4000, 60)
    if len(text) < least:
        return False
    tail = text[-min(len(text), 20_000) :]
    for size in range(4, min(400, len(tail) // often) + 1):
        unit = tail[-size:]
        if tail[-2 * size : -size] != unit or sum(c.isalpha() for c in unit) < 3:
            continue
        count, end = 0, len(text)
        while end >= size and text[end - size : end] == unit:
            count, end = count + 1, end - size
        if count >= often and count * size * 2 > len(text):
            return True
    return False
