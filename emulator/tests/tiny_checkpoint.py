"""A Qwen2-VL checkpoint in Hugging Face format, tiny and with random weights, made with the real classes.

They are imported where they are used, as that takes seconds, and every process of pytest collects all tests.
"""

from pathlib import Path
from typing import Any

SPECIAL = [
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>",
    "<|image_pad|>", "<|video_pad|>",
]  # fmt: skip
MERGES: Any = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("Ġ", "a"), ("i", "n"), ("i", "s"), ("Ġ", "is")]


def tiny_tokenizer() -> Any:
    """A byte-level BPE of Qwen's kind: 256 bytes, a few merges, the special tokens."""
    from transformers.models.qwen2.tokenization_qwen2 import Qwen2Tokenizer

    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in plain]
    alphabet = {byte: chr(byte) for byte in plain} | {byte: chr(256 + i) for i, byte in enumerate(rest)}
    vocabulary = {alphabet[byte]: byte for byte in range(256)}
    for first, second in MERGES:
        vocabulary[first + second] = len(vocabulary)
    tokenizer = Qwen2Tokenizer(
        vocab=vocabulary, merges=MERGES, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    tokenizer.add_special_tokens({"extra_special_tokens": SPECIAL})
    return tokenizer


def make_checkpoint(folder: Path) -> Path:
    """Write config, weights (safetensors) and tokenizer into the folder; what it says is plain text."""
    import torch
    import transformers

    tokenizer = tiny_tokenizer()
    ids = dict(zip(SPECIAL, tokenizer.convert_tokens_to_ids(SPECIAL), strict=True))
    torch.manual_seed(7)
    config = transformers.Qwen2VLConfig(
        text_config={
            "vocab_size": len(tokenizer), "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 4096,
            "bos_token_id": ids["<|endoftext|>"], "eos_token_id": ids["<|im_end|>"], "initializer_range": 0.3,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]},
        },
        vision_config={
            "depth": 2, "embed_dim": 32, "hidden_size": 64, "num_heads": 2, "mlp_ratio": 2,
            "initializer_range": 0.3,
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )  # fmt: skip
    model = transformers.Qwen2VLForConditionalGeneration(config)
    with torch.no_grad():
        # Only printable characters, and no end.
        model.lm_head.weight[[i for i in range(len(tokenizer)) if not 32 <= i < 127]] = 0.0
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
