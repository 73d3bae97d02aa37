"""Words about not having an answer are no answer; everything else is one."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glimpsed.vision.seen import _BLIND, _FILLER, _REFUSAL, SHORT, emptiness, loops

BLIND = [
    "I'm unable to view images directly. Please provide a description of the image.",
    "I'm sorry, but I can't see any image. Could you please upload it again?",
    "I cannot see the image. If you upload it, I'd be happy to help.",
    "It looks like the image didn't upload. Please try again.",
    "I can\u2019t view the image you provided.",
    "I don't see an image attached. Please share it.",
    "Unfortunately, no image was provided.",
    "As a text-based AI, I cannot process images.",
    "Unable to view images.",
    "unable to view images",
    "Sorry, unable to view images.",
    "Sorry, currently unable to view images directly. Please describe it.",
    "Unable to see the attached image.",
    "I'm afraid I can't view images.",
    "I don't see any image attached to your message.",
    "There is no image attached to your message. Please attach it.",
    "I'm sorry, but I can't see the image you're referring to.",
    "It seems that I can't see the image you are asking about.",
    "抱歉,我无法查看图片。请您重新上传。",
    "很抱歉,我不能直接查看您上传的图片。",
    "对不起,我没有看到任何图片。",
    "很抱歉\uff0c我无法查看图片。",
    "抱歉\uff0c我无法查看您上传的图片\uff0c请重新上传。",
    "没有看到图片\uff0c请重新上传\uff01",
    "我无法看到图片\uff01请重新上传。",
    "I'm a text-based AI and can't view images. Please describe it.",
    "Unfortunately, I do not have the capability to view or analyze images.",
    "As an AI developed by Example, I cannot process images directly; I can only process text.",
    "It seems the image didn't come through. Please try uploading it again.",
    "I'm not able to open or read attachments in this chat.",
    "I can't access external files or images.",
    "There doesn't seem to be an image attached to your message.",
    "作为AI助手\uff0c我无法查看图片\uff1b请您描述一下。",
    "Ich kann das Bild leider nicht sehen. Bitte laden Sie es erneut hoch.",
    "看不到图片。",
    "Ich sehe hier leider kein Bild.",
    "Es tut mir leid, ich kann keine Bilder ansehen.",
    "Désolé, je ne peux pas voir l'image. Veuillez la télécharger à nouveau.",
    "Lo siento, no puedo ver la imagen. Por favor, súbela de nuevo.",
    "Desculpe, não consigo ver a imagem.",
    "Mi dispiace, non posso vedere l'immagine.",
    "申し訳ありませんが、画像を確認できません。",
    "죄송하지만 이미지를 볼 수 없습니다.",
    "Извините, я не могу просматривать изображения.",
]
REFUSALS = [
    "I\u2019m sorry \u2014 I can\u2019t transcribe this image.",
    "I can't help identify people in images, but I can describe the scene.",
    "I can't read the text in this picture.",
    "I'm not able to read the text in this image, as it contains personal information.",
    "I'm sorry, but I can't assist with that.",
    "I'm sorry, I can't help with that request.",
    "Sorry, I cannot transcribe this image.",
    "I can't help with that.",
    "I'm really sorry, but I won't be able to help with this one.",
    "I cannot provide a description of this image as it may contain sensitive content.",
    "I can't provide a transcription of this document, since it contains confidential medical records.",
    "Your request was rejected as a result of our safety system.",
    "The image you provided violates our content policy.",
    "您好\uff0c我无法协助处理该图片\uff0c因为其中可能包含敏感信息。如有其他问题\uff0c请随时告诉我。",
    "非常抱歉\uff0c根据相关法律法规和政策\uff0c我无法回答这个问题。",
    "这个问题我暂时无法回答\uff0c让我们换个话题再聊聊吧。",
    "作为一个人工智能语言模型\uff0c我还没学习如何回答这个问题\uff0c您可以向我问一些其它的问题\uff0c我会尽力帮您解决的。",
    "I must respectfully decline to transcribe this document.",
    "I apologize, but I'm not able to extract text from this ID card.",
    "I'm not able to provide help with this conversation.",
    "我無法提供這張圖片的內容。",
    "抱歉\uff0c我無法協助處理這張圖片。",
    "抱歉\uff0c我还没有学会回答这个问题。如果您有其他问题\uff0c我非常乐意为您提供帮助。",
    "对不起\uff0c我暂时无法处理这个请求\uff0c请稍后再试。",
    "内容由于不合规被停止生成\uff0c我们换个话题吧",
    "你好\uff0c我无法给到相关内容。",
    "抱歉\uff0c由于涉及个人隐私\uff0c我不能提取该证件中的信息。",
    "很抱歉,我无法协助,我无法协助处理这个请求。",
    "很抱歉\uff0c我无法协助处理这个请求。",
    "对不起\uff0c我不能协助\uff01",
    "作为人工智能\uff0c我无法识别图片中的人物。",
    "Es tut mir leid, aber dabei kann ich nicht helfen.",
    "Lo siento, no puedo ayudar con eso.",
    "I'm sorry, but I can't assist with identifying people in images.",
    (
        "I'm sorry, but I'm not able to provide visual descriptions of images with real people. "
        "If you have any other questions, feel free to ask!"
    ),
    "I'm sorry, I can't identify or describe people in images.",
    "I'm sorry, but I cannot provide the identity of the individuals in the photo.",
    "I can't identify who this is.",
    "My guidelines don't allow me to identify faces.",
    "Privacy guidelines prevent me from identifying people.",
    "很抱歉\uff0c我不能告诉你照片里的人是谁。",
    "No puedo decir quién es la persona de la foto.",
    "Je ne suis pas en mesure de dire qui est cette personne.",
    "Ich darf nicht sagen, wer diese Person ist.",
    "I'm unable to recognize faces.",
    "I won't be able to help identify people in photos.",
    "Sorry, I can't tell you who is in this picture based on their facial features.",
    "My apologies, but I'm not able to identify real people.",
    "I'm not able to determine the identity of the person in the image. However, I can describe the scene if you'd like.",
    "I don't identify people in images.",
    "I must decline this request.",
    "I apologize, but I am not comfortable describing people's appearances in this image.",
    "I\u2019m sorry, but I can\u2019t help identify who this person is.",
    "I can't help with transcribing credit card information.",
    "As an AI language model, I cannot identify individuals in photographs.",
    "I'm not able to assist with that request because it involves personal information.",
    "抱歉,我无法识别图片中的人物。",
    "对不起,我不能帮助识别人物身份。",
    "Es tut mir leid, aber ich kann keine Personen auf Bildern identifizieren.",
    "Lo siento, no puedo identificar personas en imágenes.",
    "Désolé, je ne peux pas identifier les personnes sur les images.",
    "申し訳ありませんが、画像の人物を特定することはできません。",
    "Извините, я не могу опознать людей на изображениях.",
]
ANSWERS = [
    "Invoice 42\nTotal: 19.90",
    "I can't see any text in this image.",
    "The image shows an empty page.",
    "I can't see the image clearly, but it seems to show a cat.",
    "A photo of a sign that says: I cannot see the image.",
    "The receipt reads 'Sorry, we cannot accept returns.'",
    "I'm sorry for your loss. With love, Aunt May",
    "The man can't see the picture because he wears a blindfold. Behind him stands a dog.",
    "No image credits are given on page 3.",
    "Unable to view images? Please enable them in your mail program.",
    "Unable to view images? Click here.",
    "Unable to open the image.",
    "Unable to load image",
    "The jury was unable to view images.",
    "Unable to view images, the guards went home at 6.",
    "Unable to read the meter: access blocked.",
    "Dear Ms Jones,\nI don't see any image attached to your message.\nKind regards, Tom",
    "Ticket 4711\nUnable to view images.\nStatus: closed",
    "I don't see any image attached to your message board.",
    "无法识别图片中第三行的文字,其余内容:发票号 123。",
    "本发票无法查看图片附件,金额:120元",
    "Dear Sir, I cannot help with that matter. Yours, J. Smith",
    "Das Bild zeigt einen Hund, der nicht sehen kann.",
    (
        "Dear Ms Miller,\n\nthank you for your letter of 3 May. I'm sorry, but I can't assist with that before the board "
        "has met. I enclose the invoice R-1 over 12.50.\n\nYours sincerely\nJ. Smith"
    ),
    "I'm sorry, but I can't assist with that before the board has met.",
    "I'm sorry, I can't identify people in images. However, I can tell you the photo shows a man with a red coat.",
    "I'm sorry, I can't identify the people in the image. It shows three men at a table.",
    "I'm not able to identify the person, but the badge says R. Miller.",
    "Sorry, we cannot help you.",
    "I don't see any people in this image.",
    "I don't see any images in this document.",
    "I can't read the second line of the image.",
    "I cannot see any image credits on page 3.",
    "Only text messages can be received.",
    "Your post violates our content policy.",
    "The content of the box was denied by customs.",
    "Privacy policy",
    "Content policy and guidelines",
    "抱歉\uff0c我们暂时无法提供服务。",
    "很抱歉\uff0c该商品暂时无法提供。",
    "我无法识别第三行\uff0c其余是\uff1a发票号一二三。",
    "个人信息保护政策",
    "生成内容不合规",
    "系统繁忙\uff0c请稍后再试",
    "本机停止提供服务",
    "请随时告诉我您的需要。",
    "I can't make out the signature.",
    "I can't read the handwriting.",
    "I can't read this.",
    "I'm sorry, I cannot read this document.",
    "I can't read his face.",
    "I can't read this. Please write to me.",
    "I'm sorry, I can't read the first line \u2013 the rest says Total 9.80.",
    "I can't help with the stamp, but I can see Total 9.80.",
    "I cannot tell the total from the receipt.",
    "I can't identify the plant, but it looks like a fern.",
    "No person is visible in this image.",
    "There is no one in the picture.",
    "The person could not be identified.",
    "Name of the individual",
    "A woman and a child.",
    "Der Mann kann die Person nicht erkennen, die hinter ihm steht.",
    "图中人物无法辨认自己的身份证号码后四位",
    '{"total": 12.5}',
    "0",
    "1/2",
]


@pytest.mark.parametrize("text", BLIND)
def test_cannot_see_an_image(text: str) -> None:
    assert emptiness(text) == "blind"


@pytest.mark.parametrize("text", REFUSALS)
def test_refusal(text: str) -> None:
    assert emptiness(text) == "refusal"


@pytest.mark.parametrize("text", ANSWERS)
def test_answers_are_answers(text: str) -> None:
    assert emptiness(text) is None


@pytest.mark.parametrize("text", ["", " \n\t", "\u3000"])
def test_empty(text: str) -> None:
    assert emptiness(text) == "empty"


@given(
    st.sampled_from(BLIND + REFUSALS),
    st.from_regex(r"[A-Z][a-z]{3,9} [0-9]{2,5} [a-z]{3,9}\.", fullmatch=True),
)
def test_a_sentence_that_says_something_makes_it_an_answer(empty: str, line: str) -> None:
    assert emptiness(f"{line}\n{empty}") is None


@given(
    st.sampled_from(BLIND + REFUSALS),
    st.from_regex(r"[A-Z][a-z]{3,9} [0-9]{2,5} [a-z]{3,9}\.", fullmatch=True),
)
def test_in_the_middle_of_a_transcription_it_is_part_of_it(empty: str, line: str) -> None:
    assert emptiness(f"{line}\n{empty}\n{line}") is None
    assert emptiness(f"{line} {line * 30}\n{empty}\n{line}") is None


@given(st.sampled_from(BLIND), st.text(alphabet="abcdefgh ", min_size=SHORT + 1))
def test_a_long_text_is_an_answer(blind: str, rest: str) -> None:
    assert emptiness(blind + rest.strip() + "x" * SHORT) is None


def test_repetition_that_fills_a_cut_answer_is_a_loop() -> None:
    assert emptiness("Name: Miller\n" + "and so on " * 60, cut=True) == "loop"
    assert emptiness("Name: Miller\n" + "and so on " * 500) == "loop"


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"{n}. item number {n}" for n in range(300)),
        "Name " + "." * 5000,
        "| --- " * 1000,
        "0.00 " * 1500,
        "OK passed\n" * 40,
        "Chapter one. " * 3 + "then something else entirely follows here, " + "x y z " * 40,
    ],
)
def test_lists_lines_of_dots_and_tables_are_no_loops(text: str) -> None:
    assert not loops(text, cut=False)


def test_the_beginning_of_a_loop_is_not_enough() -> None:
    page = "".join(f"Line {n} of a long and honest transcription. " for n in range(200))
    assert not loops(page + "again and " * 20, cut=True)


@given(st.text(max_size=3000), st.booleans())
def test_any_text_can_be_looked_at(text: str, cut: bool) -> None:
    assert emptiness(text, cut=cut) in (None, "empty", "blind", "refusal", "loop")


@settings(max_examples=300, derandomize=True)
@given(st.data())
def test_no_sentence_takes_long(data: st.DataObject) -> None:
    """What nearly matches, with any part of it again and again: where that can be read in two ways each, for ever."""
    known = [*_BLIND, _REFUSAL, _FILLER]
    near = data.draw(
        st.one_of(st.sampled_from(BLIND + REFUSALS), st.sampled_from(known).flatmap(st.from_regex))
    )
    words = near.split(" ")
    start = data.draw(st.integers(0, len(words) - 1))
    again = " ".join(words[start : start + data.draw(st.integers(1, 3))])
    text = " ".join([*words, *[again] * (SHORT // (len(again) + 1))])[: SHORT - 1] + data.draw(
        st.sampled_from("#.x")
    )
    started = time.process_time()
    emptiness(text)
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("again", [" or or", " or here", " or here here", ", so I can't"])
def test_words_that_can_be_read_in_two_ways_take_no_longer(again: str) -> None:
    started = time.process_time()
    assert emptiness(("I can't see the image" + again * 60)[: SHORT - 1] + "#") is None
    assert time.process_time() - started < 0.5
