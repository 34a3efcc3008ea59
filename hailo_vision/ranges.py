"""What may be asked of a generation: one definition for the operator's file and for every dialect.

Named and bounded as OpenAI's API description and vLLM's have them; what HailoRT makes of a value is the NPU
process's business.
"""

from typing import Annotated

from msgspec import Meta

Temperature = Annotated[float, Meta(ge=0, le=2)]  # 0 is greedy
TopP = Annotated[float, Meta(ge=0, le=1)]  # 0 is greedy
TopK = Annotated[int, Meta(ge=-1, le=100_000)]  # -1 and 0 leave nothing out
RepetitionPenalty = Annotated[float, Meta(ge=0.01, le=10)]  # 1 is off
Seed = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
TokenCount = Annotated[int, Meta(ge=1)]
