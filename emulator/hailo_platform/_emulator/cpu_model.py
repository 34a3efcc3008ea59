"""The real Qwen2-VL on the CPU, from a folder of weights in Hugging Face format, behind the Engine protocol.

Needs torch and transformers, which are imported here and nowhere else. The KV cache of the library stands
beside the session's record of what it holds; it does not wrap at the chip's capacity.
"""

import hashlib
import importlib
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hailo_platform._emulator.cache import Cell, KvCache, VisionCell
from hailo_platform._emulator.engine import Decoder
from hailo_platform._emulator.errors import Status, failure
from hailo_platform._emulator.sampler import Params, choose
from hailo_platform._emulator.template import QWEN2_VL_TEMPLATE
from hailo_platform._emulator.tokenizer import PieceDecoder

_SIDE = 336
_PATCH = 14
_MERGE = 2
_GRID = _SIDE // _PATCH
_ROWS = _GRID // _MERGE
_PER_PASS = _ROWS * _ROWS
# Means and deviations of CLIP, which Qwen2-VL's preprocessor uses unless its file says otherwise.
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_DEVIATION = (0.26862954, 0.26130258, 0.27577711)


class CpuEngine:
    """Qwen2-VL computed by transformers. Construction loads the weights and takes as long as that takes."""

    paced = False
    pace = 0.0
    max_frames: int | None = None
    frame_shape = (_SIDE, _SIDE, 3)

    def __init__(self, folder: str, dtype: str) -> None:
        """Raises native status 92 if the folder holds another kind of model, 26 if it can't be read."""
        config = json.loads((Path(folder) / "config.json").read_text("utf-8"))
        if config.get("model_type") != "qwen2_vl":
            raise failure(Status.HEF_NOT_SUPPORTED)
        self._torch: Any = importlib.import_module("torch")
        transformers: Any = importlib.import_module("transformers")
        transformers.utils.logging.disable_progress_bar()
        try:
            self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
            self._model: Any = transformers.Qwen2VLForConditionalGeneration.from_pretrained(
                folder, local_files_only=True, dtype=getattr(self._torch, dtype)
            ).eval()
        except (OSError, ValueError, RuntimeError) as error:
            raise failure(Status.INVALID_HEF) from error
        self._new_cache = transformers.DynamicCache
        self.identity = f"{Path(folder).name} on the CPU"
        self.tokens = "the model's own"
        self.template: str = self._tokenizer.chat_template or QWEN2_VL_TEMPLATE
        self.image_pad: int = self._model.config.image_token_id
        self.video_pad: int = self._model.config.video_token_id
        ends = [self._tokenizer.convert_tokens_to_ids(text) for text in ("<|im_end|>", "<|endoftext|>")]
        self.end_tokens: tuple[int, ...] = tuple(token for token in ends if token is not None)
        self._mean, self._deviation = _normalisation(Path(folder))
        added: dict[str, int] = self._tokenizer.get_added_vocab()
        self._added = {token: text for text, token in added.items()}
        self._bytes: dict[str, int] = _byte_alphabet()
        self._logits: Any = None
        self.restart([])

    def tokenize(self, text: str) -> list[int]:
        """See Engine."""
        tokens: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return tokens

    def detokenize(self, tokens: Sequence[int]) -> str:
        """See Engine."""
        return b"".join(map(self._token_bytes, tokens)).decode("utf-8", "replace")

    def decoder(self) -> Decoder:
        """See Engine."""
        return PieceDecoder(self._token_bytes)

    def _token_bytes(self, token: int) -> bytes:
        if token < 0:
            return b""
        added = self._added.get(token)
        if added is not None:
            return added.encode()
        text = self._tokenizer.convert_ids_to_tokens(token)
        return bytes(self._bytes[sign] for sign in text) if text else b""

    # Vision

    def encode(self, frames: Sequence[bytes]) -> tuple[str, Any]:
        """See Engine. The percept is a tensor of shape (144, hidden size)."""
        torch = self._torch
        first, second = frames[0], frames[-1]
        patches = torch.from_numpy(patchify([first, second], self._mean, self._deviation))
        grid = torch.tensor([[1, _GRID, _GRID]])
        with torch.inference_mode():
            seen = self._model.model.visual(patches.to(self._model.dtype), grid_thw=grid).pooler_output
        return hashlib.sha256(first + second).hexdigest(), seen

    # Text

    def start(self, cache: KvCache, fresh: list[Cell], tail: str) -> None:
        """See Engine. The tail, a fault of the emulated model, is not added here."""
        self._read(fresh)

    def feed(self, token: int) -> None:
        """See Engine."""
        self._read([token])

    def restart(self, cells: list[Cell]) -> None:
        """See Engine."""
        self._past = self._new_cache(config=self._model.config.get_text_config())
        self._position = 0
        self._read(cells)

    def _read(self, cells: list[Cell]) -> None:
        """Run cells through the text model, after what it has read before."""
        if not cells:
            return
        torch = self._torch
        with torch.inference_mode():
            output = self._model.model.language_model(
                inputs_embeds=self._embeddings(cells),
                position_ids=self._positions(cells),
                past_key_values=self._past,
                use_cache=True,
            )
            self._past = output.past_key_values
            self._logits = self._model.lm_head(output.last_hidden_state[0, -1]).float().numpy()

    def _embeddings(self, cells: list[Cell]) -> Any:
        torch = self._torch
        ids = torch.tensor([[cell if isinstance(cell, int) else self.image_pad for cell in cells]])
        embeddings = self._model.get_input_embeddings()(ids).clone()
        for place, cell in enumerate(cells):
            if isinstance(cell, VisionCell):
                embeddings[0, place] = cell.seen[cell.index]
        return embeddings

    def _positions(self, cells: list[Cell]) -> Any:
        """Positions of shape (3, 1, n): text counts on, a picture spans time, rows and columns."""
        out: list[tuple[int, int, int]] = []
        base, passes = self._position, 0
        for place, cell in enumerate(cells):
            if not isinstance(cell, VisionCell):
                out.append((base, base, base))
                base += 1
                continue
            row, column = divmod(cell.index, _ROWS)
            out.append((base + passes, base + row, base + column))
            if cell.index == _PER_PASS - 1:
                passes += 1
                following = cells[place + 1] if place + 1 < len(cells) else None
                if not isinstance(following, VisionCell):
                    base, passes = base + max(_ROWS, passes), 0
        self._position = base
        return self._torch.tensor(out).T.reshape(3, 1, len(cells))

    def next_token(self, history: set[int], params: Params, rng: random.Random) -> int:
        """See Engine. Order of operations as in sampler.choose, over the whole vocabulary."""
        scores = self._logits / params.temperature
        if params.frequency_penalty != 1.0 and history:
            said = np.fromiter((token for token in history if token >= 0), dtype=np.intp)
            penalty = params.frequency_penalty
            scores[said] = np.where(scores[said] > 0, scores[said] / penalty, scores[said] * penalty)
        if not params.do_sample:
            return int(scores.argmax())
        count = min(params.top_k, scores.size)
        best = np.argpartition(-scores, count - 1)[:count]
        kept = best[np.argsort(-scores[best], kind="stable")]
        flat = Params(temperature=1.0, top_p=params.top_p, top_k=count, do_sample=True)
        return int(kept[choose([float(scores[i]) for i in kept], [0.0] * count, flat, rng)])


def patchify(
    frames: Sequence[bytes], mean: Sequence[float], deviation: Sequence[float]
) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """Two frames as the encoder's input of shape (576, 1176), normalised, in the order that it merges."""
    stack = np.stack([np.frombuffer(frame, dtype=np.uint8).reshape(_SIDE, _SIDE, 3) for frame in frames])
    centre, spread = np.asarray(mean, dtype=np.float32), np.asarray(deviation, dtype=np.float32)
    normal = (stack.astype(np.float32) / np.float32(255.0) - centre) / spread
    blocks = normal.transpose(0, 3, 1, 2).reshape(
        1, len(frames), 3, _GRID // _MERGE, _MERGE, _PATCH, _GRID // _MERGE, _MERGE, _PATCH
    )
    ordered = blocks.transpose(0, 3, 6, 4, 7, 2, 1, 5, 8)
    return np.ascontiguousarray(ordered.reshape(_GRID * _GRID, 3 * len(frames) * _PATCH * _PATCH))


def _normalisation(folder: Path) -> tuple[Sequence[float], Sequence[float]]:
    path = folder / "preprocessor_config.json"
    settings = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    return settings.get("image_mean", _MEAN), settings.get("image_std", _DEVIATION)


def _byte_alphabet() -> dict[str, int]:
    """The printable characters that a byte-level vocabulary writes bytes as, and their bytes."""
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    rest = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + place): byte for place, byte in enumerate(rest)}
