"""The real Qwen2-VL on the CPU, on a tiny checkpoint with random weights, made here with the real classes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_checkpoint import make_checkpoint

HEAD = "<|im_start|>system\nBe helpful.<|im_end|>\n<|im_start|>user\n"
PICTURE = "<|vision_start|><|image_pad|><|vision_end|>"
ASK = "<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_checkpoint(tmp_path_factory.mktemp("weights") / "tiny-qwen2-vl")
    assert (folder / "model.safetensors").is_file()
    return folder


@pytest.fixture
def cpu(chip: Any, checkpoint: Path) -> Any:
    chip.set(version="5.2.0", time_scale=1.0)
    return chip.load(str(checkpoint))


def pieces(vlm: Any, prompt: str, frames: list[Any], **options: Any) -> tuple[list[str], str]:
    with vlm.generate(prompt, frames, **{"max_generated_tokens": 12, **options}) as completion:
        streamed = list(completion)
        return streamed, completion.generation_status.name


def reference(checkpoint: Path, prompt: str, frames: list[Any], count: int) -> list[int]:
    """The greedy tokens that the library's own processor and generate() give."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    model: Any = transformers.Qwen2VLForConditionalGeneration.from_pretrained(checkpoint)
    model.eval()
    inputs: dict[str, Any] = {}
    if frames:
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

        inputs = dict(Qwen2VLImageProcessorPil()(images=frames, return_tensors="pt"))
    ids = tokenizer(prompt.replace("<|image_pad|>", "<|image_pad|>" * 144), return_tensors="pt")["input_ids"]
    kinds = (ids == model.config.image_token_id).int()
    out = model.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), mm_token_type_ids=kinds, do_sample=False,
        max_new_tokens=count, repetition_penalty=1.0, eos_token_id=-1, pad_token_id=0, **inputs,
    )  # fmt: skip
    tokens: list[int] = out[0, ids.shape[1] :].tolist()
    return tokens


@pytest.mark.parametrize("pictures_shown", [0, 1, 2])
def test_greedy_tokens_are_those_of_the_library(
    cpu: Any, chip: Any, checkpoint: Path, pictures: Any, pictures_shown: int
) -> None:
    frames = [pictures.photo(seed) for seed in range(pictures_shown)]
    prompt = f"{HEAD}{PICTURE * pictures_shown}What is in the picture?{ASK}"
    expected = reference(checkpoint, prompt, frames, 12)
    decoder = cpu._vlm.session.engine.decoder()
    streamed, _ = pieces(cpu, prompt, frames)
    assert streamed[:12] == [decoder.piece(token) for token in expected]
    assert len(set(expected)) > 3, "a checkpoint that repeats itself proves nothing"


def test_it_streams_ends_and_counts_as_the_chip_does(cpu: Any, pictures: Any) -> None:
    prompt = f"{HEAD}{PICTURE}What is it?{ASK}"
    streamed, status = pieces(cpu, prompt, [pictures.photo(1)], max_generated_tokens=7)
    assert (len(streamed), status) == (8, "MAX_TOKENS_REACHED")
    assert cpu.get_context_usage_size() == len(cpu.tokenize(prompt)) + 143 + 6 + 2
    assert cpu.max_context_capacity() == 2048


def test_the_tokenizer_is_the_checkpoints(cpu: Any) -> None:
    tokens = cpu.tokenize("the 日本🙂 <|im_end|>")
    assert tokens[-1] == cpu.tokenize("<|im_end|>")[0]
    assert len(cpu.tokenize(" the")) == 1
    engine = cpu._vlm.session.engine
    decoder = engine.decoder()
    assert "".join(decoder.piece(token) for token in tokens) == "the 日本🙂 <|im_end|>"
    assert engine.detokenize(tokens) == "the 日本🙂 <|im_end|>"


def test_pictures_and_their_order_matter(cpu: Any, pictures: Any) -> None:
    answers = set()
    first, second = pictures.photo(1), pictures.photo(2)
    for frames in ([first, second], [second, first], [first, np.ascontiguousarray(second[..., ::-1]).copy()]):
        cpu.clear_context()
        answers.add(tuple(pieces(cpu, f"{HEAD}{PICTURE * 2}What is it?{ASK}", frames)[0]))
    assert len(answers) == 3


def test_a_prompt_in_parts_answers_as_the_whole(cpu: Any, pictures: Any) -> None:
    frames = [pictures.photo(1), pictures.photo(2)]
    first, second = f"{HEAD}{PICTURE}What is it?{ASK}", f"A thing.{ASK}{PICTURE}And this?{ASK}"
    with cpu.generate(first, frames[:1], max_generated_tokens=0):
        pass
    in_parts = pieces(cpu, second, frames[1:])
    cpu.clear_context()
    assert pieces(cpu, first + second, frames) == in_parts
    cpu.clear_context()
    assert pieces(cpu, first + second, frames[::-1]) != in_parts


def test_sampling_follows_seed_and_penalty(cpu: Any) -> None:
    def sampled(**options: Any) -> str:
        cpu.clear_context()
        options = {"do_sample": True, "temperature": 1.0, "top_k": 50, "top_p": 1.0, **options}
        return "".join(pieces(cpu, f"{HEAD}Hello{ASK}", [], **options)[0])

    assert sampled(seed=1) == sampled(seed=1)
    assert len({sampled(seed=seed) for seed in range(5)}) >= 4
    assert sampled(do_sample=False) != sampled(do_sample=False, frequency_penalty=5.0)


def test_videos(cpu: Any, pictures: Any) -> None:
    video = [pictures.photo(seed) for seed in range(3)]
    prompt = f"{HEAD}<|vision_start|><|video_pad|><|vision_end|>What happens?{ASK}"
    answers = set()
    for frames in (video, video[::-1]):
        cpu.clear_context()
        with cpu.generate(prompt, [], videos=[frames], max_generated_tokens=6) as completion:
            answers.add(completion.read_all())
        assert cpu.get_context_usage_size() == len(cpu.tokenize(prompt)) + 287 + 5 + 2
    assert len(answers) == 2


def test_a_saved_context_goes_on(cpu: Any, pictures: Any) -> None:
    pieces(cpu, f"{HEAD}{PICTURE}What is it?{ASK}", [pictures.photo(1)])
    saved = cpu.save_context()
    more = f"<|im_start|>user\nWhy?{ASK}"
    expected = pieces(cpu, more, [])
    cpu.load_context(saved)
    assert pieces(cpu, more, []) == expected


def test_an_abort_leaves_the_model_usable(cpu: Any) -> None:
    with cpu.generate(f"{HEAD}Hello{ASK}", []) as completion:
        completion.read()
    cpu.clear_context()
    assert len(pieces(cpu, f"{HEAD}Hello{ASK}", [])[0]) > 1


def test_errors_stay_the_chips(cpu: Any, chip: Any, pictures: Any) -> None:
    with (
        cpu.generate(f"{HEAD}Hello{ASK}", [pictures.photo(1)]) as completion,
        pytest.raises(chip.wrapper.HailoRTInvalidOperationException),
    ):
        completion.read()
    assert chip.counters()["poisoned"] == 1


@pytest.mark.parametrize(("kind", "code"), [("llama", "92"), ("qwen2_vl", "26")])
def test_a_folder_of_something_else(chip: Any, kind: str, code: str) -> None:
    folder = chip.folder / "other"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": kind}))
    with pytest.raises(chip.module("pyhailort._pyhailort").HailoRTStatusException, match=f"^{code}$"):
        chip.load(str(folder))


def test_patches_are_those_of_the_librarys_processor(chip: Any, pictures: Any) -> None:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    frame = pictures.photo(1)
    expected = Qwen2VLImageProcessorPil()(images=[frame], return_tensors="np")["pixel_values"]
    cpu_model = chip.module("_emulator.cpu_model")
    data = frame.tobytes()
    ours = cpu_model.patchify([data, data], cpu_model._MEAN, cpu_model._DEVIATION)
    np.testing.assert_allclose(ours, expected, atol=1e-5)
