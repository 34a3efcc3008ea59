"""The emulator's vocabulary: Qwen's ids for special tokens, its own for words, pairs, characters, bytes.

Ids below 151643 are ordinary tokens, as in Qwen's tokenizer, but their meanings are the emulator's own:

    0..255          single bytes
    256..931        pairs of lower-case letters
    1000..          words and endings, with and without a leading space
    60000 + code    characters of the Basic Multilingual Plane that are one token
    130000..        first two bytes of a character of three bytes
    132000..        first two bytes of a character of four bytes
"""

from functools import cache

END_OF_TEXT, IM_START, IM_END = 151643, 151644, 151645
VISION_START, VISION_END, IMAGE_PAD, VIDEO_PAD = 151652, 151653, 151655, 151656
VOCABULARY_SIZE = 151936

SPECIAL_TOKENS = {
    "<|endoftext|>": END_OF_TEXT,
    "<|im_start|>": IM_START,
    "<|im_end|>": IM_END,
    "<|object_ref_start|>": 151646,
    "<|object_ref_end|>": 151647,
    "<|box_start|>": 151648,
    "<|box_end|>": 151649,
    "<|quad_start|>": 151650,
    "<|quad_end|>": 151651,
    "<|vision_start|>": VISION_START,
    "<|vision_end|>": VISION_END,
    "<|vision_pad|>": 151654,
    "<|image_pad|>": IMAGE_PAD,
    "<|video_pad|>": VIDEO_PAD,
}

PAIR_BASE, WORD_BASE, CHARACTER_BASE = 256, 1000, 60000
THREE_BYTE_BASE, FOUR_BYTE_BASE = 130000, 132000

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_ENDINGS = """ing tion ions able ment ness less ful ized ise ize est ers ous ive ity ally ance ence ward
graph photo scape stand under over inter trans com con pre pro dis ver ter ther the and ent ight ound ould
ause ring ling ning ting able ible ical ation ment ture sion ular ality"""
_WORDS = """a about above across again all almost along already also always am among an and another answer
any anything are area around as ask asked at away back background balance balanced be because been before
behind below beside best between black blue both bottom bright brighter brightest brightness brown building
but by called calm camera can car cat center centre centred clear cloud colour colours color colors come
common compare compared contain contains content contrast corner corners could count cyan dark darker
darkest day deep describe description detail detailed details did differ difference different dim do does
dog dominant dominated done door down each earlier edge edges eight empty end enough even evenly every
example eyes face fairly few fill filled fills find fine first five flat follow following for foreground
found four frame from front full further gave general gentle give given glad go gold good got gray great
green grey had half hand happy hard has have he heavy hello help helpful her here hi high him his home
hour house how however i idea if image images in inside instead into is it item its just keep kind know
large largest last later leaf leaning left less let letter light lighter like line lines list little
long look looking looks lot low made magenta main mainly make makes many mark maybe me mean measured
message middle mind mixed moment more most mostly move much my name near nearly need never new next nice
night nine no none north nor not note nothing notice now number object objects of off old on once one only
open orange or order other our out outdoor over overall own page pair pale part patch people percent
perhaps person photo photograph photographs photos picture pictures pink place plain please point point
prominent purple question questions quite rather read ready really red reddish remain remains rest right
roughly round running said same saturated saw say scene scenes second see seem seems seen sense sentence
set seven several shade shaded shades shadow shadows shape shapes share shared she short should show showing
shown shows side sides sign similar simple since single six sky small smooth so soft some something
somewhat sort sound spot spread standing stands start still story straight street strong strongest structure
subject such sure surface symmetric table take taken talk tall teal tell ten text texture than thank
thanks that the their them then there these they thing things think third this those though three through
time to together told tone tones too took top towards tree try turn two under unlike until up upper us
use used user very view violet visible vivid want warm was water way we well were what when where whether
which while white whole why wide will window with within without woman wooden word words work world would
write yellow yes yet you young your assistant system lower gradient muted neutral cool band bands corners
impression overexposed underexposed lit dimly brightly striped patterned textured uniform composition
quarter third dominates covers occupying hue hues navy maroon olive beige lime turquoise silver charcoal
json true false null type string integer description object array properties"""


@cache
def words() -> dict[str, int]:
    """Every ordinary token of letters, with or without a leading space, and its id."""
    table: dict[str, int] = {}
    for index, first in enumerate(_LETTERS):
        for other, second in enumerate(_LETTERS):
            table[first + second] = PAIR_BASE + index * len(_LETTERS) + other
    identity = WORD_BASE
    for word in dict.fromkeys([*_WORDS.split(), *_ENDINGS.split()]):
        forms = (word, " " + word, word.capitalize(), " " + word.capitalize())
        for form in forms:
            if len(form) > 1 and form not in table:
                table[form] = identity
                identity += 1
    return table


@cache
def word_bytes() -> dict[int, bytes]:
    """The bytes of every token of `words`."""
    return {identity: text.encode() for text, identity in words().items()}


@cache
def longest_word() -> int:
    """The length of the longest token of `words`, in characters."""
    return max(map(len, words()))
