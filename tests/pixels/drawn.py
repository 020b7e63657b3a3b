"""Text drawn into images, to measure how much of it is found and how much else is proposed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dicomveil.pixels.text import text_boxes

_NAMES = ("MUELLER^ANNA", "Smith, John A", "GARCIA LOPEZ M", "Nguyen Thi Hoa", "O'NEILL PATRICK", "KOWALSKA")
_FOLDERS = ("/usr/share/fonts/truetype/dejavu", "/usr/share/fonts/truetype/liberation")
#: Names of the kinds of drawn text that are counted apart.
PLAIN, DIM, ON_TISSUE, SMALL, ON_WHITE = "plain", "dim", "on tissue", "small", "on white"


class Drawn(NamedTuple):
    """One string: its box (x, y, width, height), and what makes it hard."""

    box: tuple[int, int, int, int]
    kind: str


def fonts(size: int) -> list[Any]:
    """Return fonts of a size in pixels: those of the system, and the one that Pillow carries."""
    folders = [Path(folder) for folder in _FOLDERS if Path(folder).is_dir()]
    paths = [path for folder in folders for path in sorted(folder.glob("*.ttf"))]
    wanted = [path for path in paths if "Oblique" not in path.name and "Italic" not in path.name]
    return [ImageFont.truetype(str(path), size) for path in wanted] + [ImageFont.load_default(size)]


def strings(random_: random.Random) -> Iterator[str]:
    """Yield names, dates and identifiers for ever."""
    while True:
        day, month, year = random_.randint(1, 28), random_.randint(1, 12), random_.randint(1925, 2020)
        dates = (f"{day:02}.{month:02}.{year}", f"{year}-{month:02}-{day:02}", f"DOB {month}/{day}/{year}")
        yield random_.choice(_NAMES)
        yield random_.choice(dates)
        yield random_.choice(["ID ", "MRN:", "PAT# ", "Acc "]) + str(random_.randint(10**5, 10**9))


def draw(grey: NDArray[np.uint8], seed: int, count: int = 5) -> tuple[NDArray[np.uint8], list[Drawn]]:
    """Return the image with strings in it: sizes 10 to 22, white to grey, a quarter of them on boxes."""
    random_ = random.Random(seed)
    image = Image.fromarray(grey)
    canvas = ImageDraw.Draw(image)
    drawn: list[Drawn] = []
    texts = strings(random_)
    tries = 0
    while len(drawn) < count and tries < 200:
        tries += 1
        size = random_.randint(9, 22)
        font = random_.choice(fonts(size))
        text = next(texts)
        left, top, right, bottom = (int(edge) for edge in canvas.textbbox((0, 0), text, font=font))
        width, height = right - left, bottom - top
        if width + 8 > image.width or height + 8 > image.height:
            continue
        x, y = random_.randint(2, image.width - width - 4), random_.randint(2, image.height - height - 4)
        if any(_meet((x - 6, y - 6, width + 12, height + 12), other.box) for other in drawn):
            continue
        under = np.asarray(image)[y : y + height, x : x + width].astype(float)
        boxed = random_.random() < 0.25
        level = random_.choice([255, 255, 230, 200, 160, 110])
        ground = random_.choice([0, 0, 40, 255]) if boxed else float(np.median(under))
        if boxed and ground == 255:
            level = random_.choice([0, 60])
        contrast = abs(level - ground)
        if contrast < 30:
            continue
        kind = PLAIN
        if boxed and ground == 255:
            kind = ON_WHITE
        elif contrast < 60:
            kind = DIM
        elif size <= 10:
            kind = SMALL
        elif not boxed and under.std() > 25:
            kind = ON_TISSUE
        if boxed:
            canvas.rectangle((x - 2, y - 2, x + width + 1, y + height + 1), fill=int(ground))
        canvas.text((x - left, y - top), text, fill=level, font=font)
        drawn.append(Drawn((x, y, width, height), kind))
    return np.asarray(image), drawn


def _meet(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]


def covered(boxes: list[tuple[int, int, int, int]], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which pixels lie in any box."""
    mask = np.zeros(shape[:2], bool)
    for x, y, width, height in boxes:
        mask[y : y + height, x : x + width] = True
    return mask


def is_covered(mask: NDArray[np.bool_], box: tuple[int, int, int, int]) -> bool:
    """Tell whether nine tenths of a string's box lie in proposals."""
    x, y, width, height = box
    return bool(mask[y : y + height, x : x + width].mean() >= 0.9)


class Recall(NamedTuple):
    """What proposals cover: strings of each kind (covered, drawn), and the share of the area."""

    kinds: dict[str, tuple[int, int]]
    mean: float
    median: float

    @property
    def share(self) -> float:
        """Return the share of all strings that are covered."""
        hit, drawn = (sum(column) for column in zip(*self.kinds.values(), strict=True))
        share: float = hit / drawn
        return share


def recall(frames: list[NDArray[np.uint8]], turns: int = 5, count: int = 5) -> Recall:
    """Draw ``count`` strings into each frame, ``turns`` times, and look for them."""
    kinds: dict[str, tuple[int, int]] = {}
    areas = []
    for number, frame in enumerate(frames):
        for turn in range(turns):
            image, texts = draw(frame, 100 * number + turn, count)
            mask = covered(text_boxes(image), image.shape)
            areas.append(mask.mean())
            for text in texts:
                hit, drawn = kinds.get(text.kind, (0, 0))
                kinds[text.kind] = hit + is_covered(mask, text.box), drawn + 1
    return Recall(kinds, float(np.mean(areas)), float(np.median(areas)))
