"""The service without HTTP: it checks, prepares and queues requests, and gives their answers."""

import asyncio
import logging
from functools import lru_cache, partial

from hailo_vision import tuning
from hailo_vision.config import Config
from hailo_vision.errors import Kind, RequestError
from hailo_vision.images.loader import ImageLoader, ImageWork
from hailo_vision.inference import budget
from hailo_vision.inference.answer import Answer, Generation
from hailo_vision.inference.overflow import SampledAnswer
from hailo_vision.inference.prompt import PromptTemplate
from hailo_vision.inference.request import GenerationRequest, Image
from hailo_vision.inference.scheduler import Scheduler, unavailable
from hailo_vision.inference.structured import StructuredAnswer, require_schema
from hailo_vision.npu.problems import NpuError
from hailo_vision.npu.process import Prompt
from hailo_vision.npu.protocol import Generate, ModelInfo, Sampling
from hailo_vision.npu.supervisor import State, Supervisor

log = logging.getLogger(__name__)

_template = lru_cache(maxsize=4)(PromptTemplate)
# By an image's place in the request, and their shape. A request has each image loaded once, however often the
# model is asked: behind a link there may be another one, or none, the next time.
Frames = dict[tuple[str, tuple[int, int, int]], memoryview]
_ENDLESS = 1_000_000  # tokens; more than any context holds, and a number that travels


class Service:
    """Everything that answers, put together from a configuration; start() and stop() bound its life."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.supervisor = Supervisor(config)
        self.scheduler = Scheduler(self.supervisor, config.server)
        self._images = ImageLoader(config.media)

    def start(self) -> None:
        tuning.tune_front_process()
        self.supervisor.start()
        self.scheduler.start()

    async def stop(self) -> None:
        """Let the running generation finish within the configured time, then release the NPU."""
        await self.scheduler.stop(self.config.server.shutdown_timeout)
        await self.supervisor.stop()

    def unready_reason(self) -> str | None:
        """Why a request would not be answered now; None if it would."""
        try:
            self.scheduler.require_model()
        except RequestError as error:
            return error.message
        return None

    def check_model(self, name: str | None) -> None:
        """Raises:
        RequestError: the request names a model that is not served here.
        """
        names = (self.config.model.name, *self.config.model.aliases)
        if name is None or plain_name(name) in map(plain_name, names):
            return
        message = f"The model {name[:80]!r} does not exist; this service has {', '.join(map(repr, names))}."
        prefix, _, rest = name.rpartition("/")
        if prefix and plain_name(rest) in map(plain_name, names):
            message += f" Leave {prefix + '/'!r} out: it is the prefix of a provider."
        raise RequestError(Kind.MODEL_NOT_FOUND, message, where="model")

    async def load(self, keep_alive: float | None = None) -> None:
        """Have the model loaded, if it is not; keep_alive: seconds that it stays if nothing is asked of it.

        Raises:
            RequestError: it can't be loaded now.
        """
        self.scheduler.require_model()
        self.supervisor.keep_alive = self._keep_alive(keep_alive)
        if self.supervisor.state is State.GENERATING:
            return  # ready() would wait for the end of the generation
        try:
            await self.supervisor.ready()
        except NpuError as error:
            raise unavailable(self.supervisor, error.problem) from error

    def unload(self) -> None:
        """Unload the model as soon as it is idle, whatever its keep_alive says."""
        log.info("A client asks to unload the model")
        self.supervisor.keep_alive = 0.0

    def answer(self, request: GenerationRequest) -> Answer:
        """Queue an admitted request for the model.

        Raises:
            RequestError: it can't be answered as it is; what fails later, reading the answer raises.
        """
        ask = partial(self._ask, {})
        return StructuredAnswer(ask, request) if request.json else ask(request)

    def _ask(self, loaded: Frames, request: GenerationRequest) -> Answer:
        generate = partial(self._generate, loaded)
        if self.config.media.overflow == "sample" and len(request.images) > 1:
            return SampledAnswer(generate, request, self._model)
        return Answer(generate(request))

    @property
    def _model(self) -> ModelInfo:
        if self.supervisor.model is None:
            raise unavailable(self.supervisor)  # it was never loaded
        return self.supervisor.model

    def _generate(self, loaded: Frames, request: GenerationRequest, left_out: int = 0) -> Generation:
        self.scheduler.require_open()
        model = self._model
        budget.check(request, model)
        work = ImageWork(len(request.images), left_out)
        generation = Generation(request, work, self._keep_alive(request.keep_alive))
        self.scheduler.submit(generation, partial(self._prepare, request, model, work, loaded))
        return generation

    def _keep_alive(self, wanted: float | None) -> float:
        """Seconds that the idle model stays loaded: a client's wish, as far as the operator lets it go."""
        model = self.config.model
        if wanted is None:
            return model.keep_alive_seconds
        if model.client_keep_alive == "any":
            return wanted
        return max(wanted, model.keep_alive_seconds)

    async def _prepare(
        self, request: GenerationRequest, model: ModelInfo, work: ImageWork, loaded: Frames
    ) -> Prompt:
        """Check the schema, decode the images and render the prompt, while the request waits in the queue."""

        async def frame(image: Image) -> memoryview:
            key = (image.where, model.frame_shape)
            if key not in loaded:
                new = await self._images.load(image.source, model.frame_shape, image.where, work)
                loaded[key] = new.data.cast("B")
            return loaded[key]

        await require_schema(request.json)
        # No TaskGroup, nor a name for a task: the error and its frames would hold each other, and the images.
        loads = [asyncio.create_task(frame(image)) for image in request.images]
        try:
            frames = await asyncio.gather(*loads)
        finally:
            while loads:
                loads.pop().cancel()  # one that fails ends the others
        order = Generate(
            prompt=_template(model.prompt_template).render(request.turns),
            frames=len(frames),
            sampling=self._sampling(request),
            max_tokens=min(request.max_tokens or self.config.generation.max_tokens, _ENDLESS),
            context_key=request.client if self.config.model.context_reuse else None,
        )
        return Prompt(order, frames)

    def _sampling(self, request: GenerationRequest) -> Sampling:
        """How tokens are picked: what the request says, else the operator's defaults."""
        defaults = self.config.generation
        penalty = request.repetition_penalty
        return Sampling(
            temperature=defaults.temperature if request.temperature is None else request.temperature,
            top_p=defaults.top_p if request.top_p is None else request.top_p,
            top_k=defaults.top_k if request.top_k is None else request.top_k,
            repetition_penalty=1.0 if penalty is None else penalty,
            seed=defaults.seed if request.seed is None else request.seed,
        )


def plain_name(name: str) -> str:
    """A model's name as names are compared: without case, and without Ollama's tag of the newest."""
    return name.lower().removesuffix(":latest")
