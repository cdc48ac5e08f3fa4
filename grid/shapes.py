"""Plain strokes, dots and words, and how they become SVG or pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

INK, MUTED, PAPER = "#1f2933", "#52606d", "#ffffff"
FONT = "system-ui, sans-serif"
SMOOTHING = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Stroke:
    """A straight line; `title` is shown where a pointer rests."""

    start: tuple[float, float]
    end: tuple[float, float]
    colour: str
    width: float
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    """A filled circle with a rim."""

    centre: tuple[float, float]
    radius: float
    colour: str
    title: str = ""
    rim: str = PAPER
    rim_width: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Text that starts at `at`, its baseline's left end; with a halo of paper it reads over lines too."""

    at: tuple[float, float]
    text: str
    size: float
    colour: str = INK
    halo: float = 0.0


Shape = Stroke | Dot | Words


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Shapes on paper of a size, in drawing order."""

    width: int
    height: int
    shapes: Sequence[Shape]


def to_svg(picture: Picture) -> str:
    """A stand-alone SVG document."""
    width, height = picture.width, picture.height
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="{FONT}" role="img">'
    body = "\n".join(_svg(shape) for shape in picture.shapes)
    return f'{head}\n<rect width="{width}" height="{height}" fill="{PAPER}"/>\n{body}\n</svg>\n'


def write_png(picture: Picture, path: Path) -> None:
    """The same as pixels, drawn at twice the size and reduced, which smooths the edges."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (picture.width * SMOOTHING, picture.height * SMOOTHING), PAPER)
    canvas = ImageDraw.Draw(image)

    def scaled(place: tuple[float, float]) -> tuple[float, float]:
        return place[0] * SMOOTHING, place[1] * SMOOTHING

    for shape in picture.shapes:
        match shape:
            case Stroke():
                width = max(round(shape.width * SMOOTHING), 1)
                canvas.line([scaled(shape.start), scaled(shape.end)], fill=shape.colour, width=width)
            case Dot():
                rim = round(shape.rim_width * SMOOTHING)
                canvas.circle(
                    scaled(shape.centre), shape.radius * SMOOTHING, fill=shape.colour, outline=shape.rim, width=rim
                )
            case Words():
                font = ImageFont.load_default(size=shape.size * SMOOTHING)
                halo = round(shape.halo * SMOOTHING)
                canvas.text(
                    scaled(shape.at),
                    shape.text,
                    font=font,
                    anchor="ls",
                    fill=shape.colour,
                    stroke_fill=PAPER,
                    stroke_width=halo,
                )
    image.resize((picture.width, picture.height), Image.Resampling.LANCZOS).save(path, format="PNG")


def _svg(shape: Shape) -> str:
    match shape:
        case Stroke():
            (x1, y1), (x2, y2) = shape.start, shape.end
            ends = f'x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke-linecap="round"'
            drawn = f'<line {ends} stroke="{shape.colour}" stroke-width="{shape.width:g}">'
            return f"{drawn}<title>{escape(shape.title)}</title></line>"
        case Dot():
            x, y = shape.centre
            rim = f'stroke="{shape.rim}" stroke-width="{shape.rim_width:g}"'
            drawn = f'<circle cx="{x:g}" cy="{y:g}" r="{shape.radius:g}" fill="{shape.colour}" {rim}>'
            return f"{drawn}<title>{escape(shape.title)}</title></circle>"
        case Words():
            x, y = shape.at
            text = escape(shape.text)
            halo = f' paint-order="stroke" stroke="{PAPER}" stroke-width="{2 * shape.halo:g}"' if shape.halo else ""
            return f'<text x="{x:g}" y="{y:g}" font-size="{shape.size:g}" fill="{shape.colour}"{halo}>{text}</text>'
