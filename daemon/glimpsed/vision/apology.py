"""Is this sentence only words about not doing what was asked? Pure.

Such sentences are made of few words, in many orders: so not their wording is known here, but their vocabulary. A
sentence counts that says 'I', that something cannot be, and what cannot be is help or people, and that holds no word
beside: any name, number or thing that was seen makes it an answer.
"""

from __future__ import annotations

import re

LONGEST = 240  # characters
_PLAIN = re.compile(r"[a-z' ,;()/-]+")
_WORD = re.compile(r"[a-z']+")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_I = _words("i i'm i'd i'll i've my me")
_CANNOT = _words(
    "can't cannot cant won't unable not don't didn't couldn't wouldn't never no against decline refuse refrain avoid "
    "prevent prevents prohibit prohibits prohibited forbid forbids forbidden"
)
_HELP = _words(
    "help assist comply fulfill fulfil support engage proceed continue participate decline respond answer do complete "
    "process transcribe provide generate produce discuss share assistance helping transcribing processing that request"
)
_PEOPLE = _words(
    "people person persons individual individuals human humans someone anyone somebody anybody who whom man men woman "
    "women boy girl child children minor minors face faces facial identity identities identification celebrity "
    "celebrities figure figures gender age race ethnicity him her them"
)
_REST = _words(
    # apologies, and what leads in
    "sorry very so but however unfortunately apologize apologise apologies afraid as an a ai language model assistant "
    "text based sincerely deeply regret must have had has to be able being am is are was were will would could can "
    "currently directly actually really also simply "
    # what is not done
    "identify identifying identified recognize recognise recognizing recognising describe describing description "
    "descriptions determine determining name naming names tell telling say reveal confirm comment speculate guess infer "
    "assess evaluate estimate judge match verify analyze analyse analyzing analysing give offer create write make "
    "making extract extracting know allow allows allowed permit permits permitted designed programmed authorized comfortable capable ability "
    "possible meant supposed appropriate fulfilling providing answering sharing identifiable "
    # to whom, about what
    "the this that's these those any your such it its their his of in on with from for about and or by at what how "
    "which whose whether if into within based than other specific particular certain real life actual public famous "
    "private personal sensitive visual physical explicit inappropriate harmful graphic violent sexual nude nudity adult "
    "copyrighted offensive image images picture pictures photo photos photograph photographs screenshot video content "
    "contents document documents card cards id passport passports license licenses credit government issued "
    "information data detail details characteristics attributes features feature appearance appearances emotions "
    "origin requests question questions query task tasks topic matter kind type sort depicted shown pictured portrayed "
    "visible featured present appears appear seen contained included provided uploaded attached you you're you've "
    "solely alone only just due because since reason reasons policy policies guidelines privacy safety ethical "
    "concerns programming violates goes involves contains moment time now here further anything something thing there "
    "recognition"
)
_EVERY = _I | _CANNOT | _HELP | _PEOPLE | _REST
_OFFER = _words(
    "try still happy glad instead like need let want general other aspects aspect scene setting clothing objects "
    "surroundings elements background different another please feel free ask would i'd you'd more available"
)

# Other languages, by sentence: what cannot be, the deed, and to whom.
_ELSEWHERE = tuple(
    tuple(re.compile(part, re.IGNORECASE) for part in parts)
    for parts in (
        (r"^(.{0,8}(抱歉|对不起|不好意思|對不起).{0,6}|作为.{1,20}[,,])?我?(目前|暂时)?(无法|不能|没法|不可以|無法)", r"识别|辨认|认出|确认|描述|告诉|告訴|透露|提供|判断|评论|說明|識別", r"人物|人脸|人臉|真人|身份|面部|个人|這個人|这个人|是谁|的人"),
        (r"\bich (kann|darf)\b|\b(kann|darf) ich\b", r"identifizier|sagen|verraten|erkenn|beschreib|benenn|bestimm", r"\bperson|\bmensch|gesicht|identität|\bwer\b"),
        (r"\bne (peux|puis|suis)\b", r"identifi|\bdire\b|reconna|décri|nommer", r"\bpersonne|visage|identité|\bqui\b"),
        (r"\bno (puedo|soy capaz|me es posible)\b", r"identific|decir|reconoc|describ|nombr", r"persona|rostro|\bcaras?\b|identidad|individuo|quién"),
        (r"\bnão (posso|consigo)\b", r"identific|dizer|reconhec|descrev", r"pessoa|rosto|identidade|indivíduo|quem"),
        (r"\bnon (posso|sono in grado|riesco)\b", r"identific|\bdire\b|riconosc|descriv", r"person[ae]|volt[oi]|identità|individu|\bchi\b"),
        (r"(申し訳|すみません|恐れ入).*(できません|できかねます|いたしかねます)", r"特定|識別|お伝え|お教え|認識|説明|お答え", r"人物|個人|顔|誰|身元"),
        (r"(죄송|미안).*수 없", r"식별|인식|말|알려|설명|확인", r"사람|인물|얼굴|신원|누구"),
        (r"не могу", r"опозна|сказа|определ|описа|идентифиц|назва", r"люд|человек|лиц|личност|кто"),
    )
)  # fmt: skip


def refuses(sentence: str) -> bool:
    """Whether a sentence, without its full stop, says that help or a word about people is refused, and nothing else."""
    text = sentence.lower()
    if len(text) > LONGEST or any(c.isdigit() or c == ":" for c in text):
        return False
    words = _english(text)
    if words <= _EVERY and all(words & kind for kind in (_I, _CANNOT, _HELP | _PEOPLE)):
        return True
    return any(all(part.search(text) for part in parts) for parts in _ELSEWHERE)


def is_about_people(sentence: str) -> bool:
    """Of a sentence that refuses, whether people are why."""
    words = _english(sentence.lower())
    return not words <= _EVERY or bool(words & _PEOPLE)


def offers(sentence: str) -> bool:
    """Whether a sentence only says what might be done instead."""
    return _english(sentence.lower()) <= _EVERY | _OFFER


def _english(text: str) -> frozenset[str]:
    """The words of a sentence that may be English; one that is in no vocabulary, where it cannot be."""
    if not _PLAIN.fullmatch(text):
        return frozenset({text})
    return frozenset(word.removesuffix("'s") for word in _WORD.findall(text))
