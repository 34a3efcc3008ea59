"""Prompts of the kind and size that applications send, written for the count of their tokens."""

import json
from itertools import cycle
from typing import Any

Message = dict[str, Any]


def _asked(text: str, pictures: int = 0) -> Message:
    parts = [{"type": "image"}] * pictures + [{"type": "text", "text": text}]
    return {"role": "user", "content": parts}


def _of_length(text: str, lines: list[str], characters: int) -> str:
    """The text, followed by numbered lines until it has so many characters."""
    for number, line in enumerate(cycle(lines), start=1):
        if len(text) >= characters:
            break
        text += f"\n{number}. {line}"
    return text[:characters]


_OBJECT = """These pictures are taken from one security camera, in order of time, and follow one object of the
kind "person" through the zone "driveway". Tell what it does and what it most likely intends, from
where it comes and where it goes, what it carries and how it moves. Leave out what all pictures
share, such as the building and the plants, and don't describe the picture itself. Don't guess a
name, an age or an origin. If nothing speaks against it, call the behaviour ordinary; otherwise
say in one sentence what is unusual about it. Write three sentences, plain text, present tense, no
list."""

_REVIEW = """You watch over a home and judge what its cameras have recorded. Look at the frames in their order
and at the list of what was tracked, and write one report as a JSON object with a title, a scene,
a short summary, a confidence from 0 to 1 and a level of danger from 0 to 2."""
_REVIEW_RULES = [
    "Level 0 is for what belongs to the day: residents, a parcel that is brought, pets, passing cars.",
    "Level 1 is for what somebody should look at: a stranger who stays at a door, or tries cars at night.",
    "Level 2 is for danger at once: a break-in, a fight, fire, somebody who lies on the ground.",
    "Weigh the time of day, how long it lasts, where it happens and what is carried, then choose.",
    "Name only what can be seen in the frames or stands in the list; never invent a person or a motive.",
]
_REVIEW_ACTIVITY = [
    "People who enter the front garden by the gate in daylight, ring and leave are visitors or couriers.",
    "Cars that stop in the street with their lights on are ordinary until midnight, not later.",
    "Somebody who walks to the porch, bends down and goes back has most likely brought a parcel.",
]

_HOME = """You are the voice assistant of a house. Answer in one or two plain sentences that can be spoken.
Say it when a device does not exist, and ask back when a room is not clear. The time is 18:42 on a
Saturday. These devices are known, each with its area and its state:"""
_DEVICES = [
    "light.ceiling_{n} 'Ceiling light' in 'Room {n}': on, brightness 60 percent",
    "sensor.climate_{n} 'Temperature' in 'Room {n}': 21.4 degrees, humidity 43 percent",
    "cover.blind_{n} 'Window blind' in 'Room {n}': open, position 100 percent",
]

_TITLE = """### Task
Find a short title for the chat below, with one emoji that fits it.
### Rules
- At most five words, in the language of the chat, nothing else in the answer.
- Clear rather than clever; no quotation marks, no formatting.
- Answer as JSON: {"title": "the emoji and the title"}
### Examples
{"title": "🍞 A loaf without kneading"}
{"title": "📉 Charts for beginners"}
{"title": "🚲 Cycling along the coast"}
### Chat
USER: What is in this picture, and where could it have been taken?
ASSISTANT: The picture shows a narrow street with yellow houses, laundry between the windows and a
small white dog in front of a bakery. The signs are in Italian and the light is that of a late afternoon,
so a town in the south of Italy is likely."""

_DOORBELL = (
    "Somebody rang at the door. Say who or what is there, and whether a parcel was left, in one sentence."
)
_DOORBELL_SCHEMA = {
    "type": "object",
    "properties": {
        "summary": {"type": "string"},
        "persons": {"type": "integer", "minimum": 0},
        "parcel": {"type": "boolean"},
    },
    "required": ["summary", "persons", "parcel"],
}


def _devices(count: int) -> str:
    lines = [_DEVICES[n % len(_DEVICES)].format(n=n) for n in range(count)]
    return "\n".join([_HOME, *lines])


PROMPTS: dict[str, list[Message]] = {
    "Frigate, object, 1 snapshot": [_asked(_OBJECT, 1)],
    "Frigate, object, 5 thumbnails": [_asked(_OBJECT, 5)],
    "Frigate, object, 10 thumbnails": [_asked(_OBJECT, 10)],
    "Frigate, review, 3 frames": [
        _asked(_of_length(_REVIEW, _REVIEW_RULES, 6500) + _of_length("", _REVIEW_ACTIVITY, 2700), 3)
    ],
    "Home Assistant, AI task, 1 snapshot": [
        _asked(f"{_DOORBELL} Answer in JSON that fits this schema: {json.dumps(_DOORBELL_SCHEMA)}", 1)
    ],
    "Home Assistant, conversation, 20 devices": [
        {"role": "system", "content": _devices(20)},
        _asked("Is it warm in the kitchen?"),
    ],
    "Home Assistant, conversation, 80 devices": [
        {"role": "system", "content": _devices(80)},
        _asked("Is it warm in the kitchen?"),
    ],
    "LLM Vision, 3 snapshots": [
        {
            "role": "system",
            "content": "Describe what changes on these camera pictures, for a short notification.",
        },
        *[_asked(f"Image {number}:", 1) for number in (1, 2, 3)],
        _asked("What happens here? Name persons, animals and vehicles, and stay below 255 characters."),
    ],
    "Open WebUI, title": [_asked(_TITLE)],
}
