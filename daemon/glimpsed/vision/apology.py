"""Is this sentence only words about not doing, or not seeing, what was asked? Pure.

Such sentences are made of few words, in many orders: so not their wording is known here, but their vocabulary. A
sentence counts that says 'I', that something cannot be, and what cannot be is help or people, and that holds no word
beside: any name, number or thing that was seen makes it an answer. Chinese, which is written without blanks, likewise: nothing
is left of a sentence once its vocabulary is taken out.
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
    "process transcribe read extract provide generate produce discuss share assistance helping transcribing processing that request"
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
    "recognition one may might contain potentially possibly confidential proprietary medical financial legal bank health "
    "record records statement statements identifying transcription transcriptions conversation respectfully"
)
_EVERY = _I | _CANNOT | _HELP | _PEOPLE | _REST
# What a model without eyes says: nothing stands in such a sentence but that, of all that a page might show.
_SEE = _words(
    "see view access open receive process analyze analyse read display interpret examine viewing seeing processing "
    "analyzing analysing reading interpreting opening accessing examining"
)
_PICTURE = _words("image images picture pictures photo photos photograph photographs attachment attachments")
_BLIND = (
    _I | _CANNOT | _SEE | _PICTURE
    | _words(
        "sorry very so but however unfortunately apologize apologise apologies afraid as an a ai language model assistant "
        "based large sincerely have has the capability capabilities ability to be able being am is currently directly "
        "actually really also simply can and or this that these those any your such its in from at for of with you you've "
        "we provided uploaded attached shared sent here now moment time our conversation chat message interface platform yet do does did external file files"
    )
)  # fmt: skip
_MADE_BY = re.compile(r"\b(developed|created|made|trained|built) by [\w-]+( [\w-]+)?(?=,)")
_TEXT_ALONE = re.compile(r"\btext-(based|only)\b|\bonly (\w+ ){0,3}text\b")
# What a gateway's guard writes in the model's place.
_BROKEN = _words(
    "violates violate violating violated rejected flagged blocked declined denied refused prohibited"
)
_RULES = _words("policy policies guidelines safety moderation")
_SUBJECT = _PICTURE | _words("request prompt input content")
_RULED = _BROKEN | _RULES | _SUBJECT | _words(
    "your the our this that you provided uploaded sent was were has have been is are it its may might be potentially "
    "possibly as a an result of due to because by under against system usage use terms filter filters and or we us"
)  # fmt: skip
_ZH_WORDS = _words(
    "您好 你好 抱歉 对不起 不好意思 遗憾 很 非常 十分 实在 真的 作为 一个 一款 一名 人工智能 ai 语言 大 多模态 模型 助手 我 目前 暂时 现在 还 尚 "
    "也 但是 但 不过 所以 因此 因为 由于 根据 按照 依据 基于 出于 鉴于 涉及 包含 含有 可能 其中 相关 有关 法律 法规 政策 规定 规范 准则 原则 要求 "
    "平台 安全 隐私 保护 敏感 个人 信息 内容 数据 违规 违反 不当 不适当 不良 色情 暴力 政治 话题 问题 这个 该 此 这张 这 那 您 你 的 了 并 请求 图片 "
    "图像 照片 文件 文档 证件 身份证 身份 人物 人脸 真人 人 是谁 中 里 上 和 或 与 及 以及 等 为 对 进行 如何 任何 都 会 可以 已 "
    "无法 不能 没法 没有办法 没办法 不可以 不便 不方便 拒绝 不支持 不具备 没 未 不予 "
    "提供 回答 回复 解答 协助 帮助 处理 识别 辨认 确认 描述 告诉 告知 透露 判断 评论 分析 解读 转录 转写 提取 查看 看到 看见 访问 直接 满足 完成 "
    "继续 讨论 给出 生成 学习 理解 服务 支持 能力 功能 如果 如有 若有 有 其他 其它 别的 需要 请 随时 让我们 换个 再 聊聊 聊 吧 一些 尽力 帮 解决 向 "
    "问 欢迎 提问 乐意 很高兴 效劳 谢谢 感谢 尝试 重新 上传 没有 学会 稍后 再试 给到 不合规 停止 被 我们 换个话题"
)
_ZH = re.compile("|".join(sorted(_ZH_WORDS, key=len, reverse=True)))
_ZH_CANNOT = re.compile(
    "无法|不能|没法|没有?办法|不可以|不便|不方便|拒绝|不支持|不具备|没有?学[习会]|不予|停止"
)
_SIMPLIFIED = str.maketrans(
    "無這張圖協處內請題問對識別說續為個隱護與違規據證會沒麼還關",
    "无这张图协处内请题问对识别说续为个隐护与违规据证会没么还关",
)
_ZH_DEED = re.compile(
    "提供|回答|回复|解答|协助|帮助|处理|识别|辨认|描述|告诉|告知|透露|判断|评论|分析|解读|转录|转写|提取|满足|完成|讨论|生成|给到"
)
_ZH_MARKS = re.compile(r"[\s,.、;:!?~…'\"“”‘’()。]+")
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
    # 'I can't read this' may be all that stands on a page; a page does not say so of an image.
    pages_own = "read" in words and not words & _PICTURE
    if not pages_own and words <= _EVERY and all(words & kind for kind in (_I, _CANNOT, _HELP | _PEOPLE)):
        return True
    return any(all(part.search(text) for part in parts) for parts in _ELSEWHERE)


def sees_nothing(sentence: str) -> bool:
    """Whether a sentence says that no image can be seen, and nothing else."""
    text = _TEXT_ALONE.sub("", _MADE_BY.sub("", sentence.lower()))
    words = _english(text)
    return words <= _BLIND and all(words & kind for kind in (_I, _CANNOT, _SEE, _PICTURE))


def breaks_rules(sentence: str) -> bool:
    """Whether a sentence says that what was sent is against the rules, or that nobody is allowed to answer, and nothing else."""
    text = sentence.lower()
    if len(text) > LONGEST:
        return False
    words = _english(text)
    if words <= _RULED and all(words & kind for kind in (_BROKEN, _RULES, _SUBJECT)):
        return True
    text = text.translate(_SIMPLIFIED)
    own = "我" in text.replace("我们", "") or "作为" in text or "换个话题" in text
    return own and bool(_ZH_CANNOT.search(text) and _ZH_DEED.search(text)) and _is_chinese(text)


def _is_chinese(text: str) -> bool:
    """Whether a text is made of the Chinese vocabulary alone."""
    return not _ZH_MARKS.sub("", _ZH.sub("", text.translate(_SIMPLIFIED)))


def is_about_people(sentence: str) -> bool:
    """Of a sentence that refuses, whether people are why."""
    words = _english(sentence.lower())
    return not words <= _EVERY or bool(words & _PEOPLE)


def offers(sentence: str) -> bool:
    """Whether a sentence only says what might be done instead."""
    return _english(sentence.lower()) <= _EVERY | _OFFER or (
        len(sentence) <= LONGEST and _is_chinese(sentence)
    )


def _english(text: str) -> frozenset[str]:
    """The words of a sentence that may be English; one that is in no vocabulary, where it cannot be."""
    if not _PLAIN.fullmatch(text):
        return frozenset({text})
    return frozenset(word.removesuffix("'s") for word in _WORD.findall(text))
