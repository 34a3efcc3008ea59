"""Choosing one of several candidates as HailoRT chooses the next token.

Order of operations after hailort_server/genai/llm/post_process.cpp of hailo-ai/hailort: the scores are
divided by the temperature, then by the penalty for what was generated since the context was cleared;
without do_sample the best wins; otherwise top-k, then top-p, then a draw.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

RANDOM_SEED = 0xFFFFFFFF


@dataclass(frozen=True)
class Params:
    """The parameters of one generation, with the defaults of the VLM (SRV vlm_server.hpp)."""

    temperature: float = 0.01
    top_p: float = 0.1
    top_k: int = 1
    frequency_penalty: float = 1.0
    max_generated_tokens: int = 1024
    do_sample: bool = False
    seed: int = RANDOM_SEED


def choose(scores: Sequence[float], repeated: Sequence[float], params: Params, rng: random.Random) -> int:
    """The index of the chosen candidate.

    `scores` are logits; `repeated` tells for each candidate which part of it (0 to 1) was generated before.
    """
    adjusted = []
    for score, share in zip(scores, repeated, strict=True):
        score /= params.temperature
        penalty = params.frequency_penalty
        penalised = score / penalty if score > 0 else score * penalty
        adjusted.append(score + (penalised - score) * share)
    order = sorted(range(len(adjusted)), key=lambda i: -adjusted[i])
    if not params.do_sample:
        return order[0]
    kept = order[: params.top_k]
    weights = [math.exp(max(-700.0, adjusted[i] - adjusted[kept[0]])) for i in kept]
    total = sum(weights)
    reached, nucleus = 0.0, []
    for index, weight in zip(kept, weights, strict=True):
        nucleus.append((index, weight))
        reached += weight / total
        if reached >= params.top_p:
            break
    return rng.choices([i for i, _ in nucleus], [w for _, w in nucleus])[0]
