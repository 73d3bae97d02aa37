"""A vision model of a megabyte, with random eyes, that always says the same: for `transformers serve`."""

import sys

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    GenerationConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
)

SAYS = ["SEEN", " and", " read"]
TEMPLATE = (
    "{% for m in messages %}{% if m['content'] is string %}{{ m['content'] }}{% else %}{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}<image>{% elif c['type'] == 'text' %}{{ c['text'] }}{% endif %}"
    "{% endfor %}{% endif %}{% endfor %}"
)

letters = sorted(pre_tokenizers.ByteLevel.alphabet())
special = ["<pad>", "<s>", "</s>", "<image>"]
words = Tokenizer(models.BPE(vocab={token: n for n, token in enumerate([*special, *letters])}, merges=[]))
words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
words.decoder = decoders.ByteLevel()
words.add_special_tokens(special)
words.add_tokens([AddedToken(word, normalized=False) for word in SAYS])
tokenizer = PreTrainedTokenizerFast(
    tokenizer_object=words, pad_token="<pad>", bos_token="<s>", eos_token="</s>",
    extra_special_tokens={"image_token": "<image>"}, chat_template=TEMPLATE,
)  # fmt: skip
size = len(tokenizer)
torch.manual_seed(0)
model = LlavaForConditionalGeneration(
    LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14,
        ),
        text_config=LlamaConfig(
            vocab_size=size, hidden_size=320, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
            num_key_value_heads=2, max_position_embeddings=4096, bos_token_id=1, eos_token_id=2, pad_token_id=0,
        ),
        image_token_index=3,
    )
)  # fmt: skip
# Each token is told by the one before it, whatever was seen.
said = tokenizer.convert_tokens_to_ids(SAYS)
with torch.no_grad():
    language = model.model.language_model
    language.embed_tokens.weight.copy_(torch.eye(size, 320))
    for layer in language.layers:
        layer.self_attn.o_proj.weight.zero_()
        layer.mlp.down_proj.weight.zero_()
    model.lm_head.weight.zero_()
    model.lm_head.weight[said[0], :size] = 1.0
    for before, after in zip(said, [*said[1:], 2], strict=True):
        model.lm_head.weight[said[0], before] = 0.0
        model.lm_head.weight[after, before] = 1.0
model.generation_config = GenerationConfig(eos_token_id=2, pad_token_id=0, bos_token_id=1, do_sample=False)
model.save_pretrained(sys.argv[1])
LlavaProcessor(
    image_processor=CLIPImageProcessorPil(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}),
    tokenizer=tokenizer, patch_size=14, vision_feature_select_strategy="default", chat_template=TEMPLATE,
    num_additional_image_tokens=1,
).save_pretrained(sys.argv[1])  # fmt: skip
