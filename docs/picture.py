#!/usr/bin/env python3
"""Draws the pictures of the READMEs from the screens that the tests hold in tests/screens.

Run it after a screen has changed; tests/docs.rs compares the pictures with the screens. Colours follow src/ui/tui/view.rs.
"""

import pathlib
import re
import unicodedata
from xml.sax.saxutils import escape

ROOT = pathlib.Path(__file__).parent.parent
CELL, ROW, PAD = 8.6, 17, 14
FONT = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, 'Noto Sans Mono CJK SC', monospace"
COLORS = {
    "": "#d8dee9",
    "dim": "#8b95a7",
    "bar": "#20242d",
}


def scene(path: pathlib.Path, name: str) -> tuple[list[str], tuple[int, int] | None]:
    """The rows of one screen, long empty stretches shortened, and where its cursor is."""
    text = path.read_text(encoding="utf-8")
    head, body = re.search(rf"^{re.escape(name)} \(cursor: (.*)\)\n\+-+\n((?:\|.*\n)+)", text, re.M).groups()
    at = re.fullmatch(r"column (\d+), row (\d+)", head)
    cursor = (int(at[1]), int(at[2])) if at else None
    rows = [row[1:] for row in body.splitlines()]
    kept = [y for y, row in enumerate(rows) if row or (y > 0 and rows[y - 1])]
    return [rows[y] for y in kept], cursor and (cursor[0], kept.index(cursor[1]))


def clusters(text: str) -> list[tuple[str, int]]:
    """Characters with what joins them, each with its cells."""
    found: list[tuple[str, int]] = []
    for c in text:
        zero = unicodedata.category(c) in ("Mn", "Me", "Cf")
        if found and (zero or found[-1][0].endswith("\u200d")):
            found[-1] = (found[-1][0] + c, found[-1][1])
        else:
            found.append((c, 0 if zero else 2 if unicodedata.east_asian_width(c) in "WF" else 1))
    return found


def styles(rows: list[str], bar: int | None) -> list[list[tuple[str, str, bool]]]:
    """Each row as runs of text, color and whether it is bold."""
    out: list[list[tuple[str, str, bool]]] = []
    said_by_somebody = False
    for y, row in enumerate(rows):
        line = re.match(r"(\d\d:\d\d)([ ~])( *)(·|\S+)( )([✓◌│]?)(.*)", row)
        if y == bar:
            out.append([(row, "bar", False)])
        elif row.startswith("›"):
            out.append([("›", "", True), (row[1:], "", False)])
        elif row.startswith("─"):
            out.append([(row, "dim", False)])
        elif line and line[4] == "·":
            said_by_somebody = False
            out.append([(row, "dim", False)])
        elif line:
            time, late, gap, name, blank, mark, said = line.groups()
            said_by_somebody = True
            out.append(
                [(time, "dim", False), (late, "", True), (gap + name + blank, "", mark == "│"), (mark, "", mark == "◌")]
                + [(said, "", False)]
            )
        elif re.match(r" *[┌└]", row):
            out.append([(row, "dim", False)])
        elif "██" in row or said_by_somebody and re.match(r" *│", row) or re.match(r" *│[ \d]", row):
            out.append([(row, "", False)])
        else:
            chat = bar is not None and any(run[0][1] == "dim" for run in out)
            out.append([(row, "dim" if chat else "", bool(re.fullmatch(r" *\d{4} \d{4}", row)))])
    return out


def draw(rows: list[str], cursor: tuple[int, int] | None) -> str:
    """An SVG with those rows; its description holds them as text."""
    bar = next((y for y in reversed(range(len(rows))) if " · " in rows[y] and rows[y].startswith(" ")), None)
    width, height = 80 * CELL + 2 * PAD, len(rows) * ROW + 2 * PAD
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height}" '
        f'viewBox="0 0 {width:.0f} {height}" role="img">',
        f"<desc>\n{escape(chr(10).join(rows))}\n</desc>",
        f'<rect width="100%" height="100%" rx="8" fill="{COLORS["bar"]}"/>',
        f'<g font-family="{FONT}" font-size="14.4" xml:space="preserve">',
    ]
    if bar is not None:
        out.append(f'<rect x="{PAD}" y="{PAD + bar * ROW}" width="{80 * CELL:.1f}" height="{ROW}" fill="{COLORS[""]}"/>')
    for y, row in enumerate(styles(rows, bar)):
        column = 0
        for text, color, bold in row:
            for piece in re.findall(r"█+|[│┌└┐┘├┤┬┴┼─]+| +|[^█│┌└┐┘├┤┬┴┼─ ]+(?: [^█│┌└┐┘├┤┬┴┼─ ]+)*", text):
                cells = clusters(piece)
                wide = sum(width for _, width in cells)
                if piece.startswith("█"):
                    x, top = PAD + column * CELL, PAD + y * ROW
                    out.append(f'<rect x="{x:.1f}" y="{top}" width="{wide * CELL:.1f}" height="{ROW}" fill="{COLORS[color]}"/>')
                elif piece.strip():
                    out += [
                        f'<text x="{PAD + (column + at) * CELL:.1f}" y="{PAD + y * ROW + 13}" '
                        f'textLength="{cells_of * CELL:.1f}" lengthAdjust="spacingAndGlyphs" fill="{COLORS[color]}"'
                        f'{" font-weight=" + chr(34) + "bold" + chr(34) if bold else ""}>{escape(run)}</text>'
                        for at, run, cells_of in runs(cells)
                    ]
                column += wide
    if cursor:
        x, y = cursor
        out.append(
            f'<rect x="{PAD + x * CELL:.1f}" y="{PAD + y * ROW + 1}" width="{CELL}" height="{ROW - 2}" fill="{COLORS[""]}"/>'
        )
    return "\n".join([*out, "</g>", "</svg>", ""])


def runs(cells: list[tuple[str, int]]) -> list[tuple[int, str, int]]:
    """Neighbours of one width together: where each run begins, its text and its cells."""
    found: list[tuple[int, str, int, int]] = []
    column = 0
    for text, width in cells:
        if found and (width == 0 or found[-1][3] == width or found[-1][3] == 0):
            at, before, before_cells, kind = found[-1]
            found[-1] = (at, before + text, before_cells + width, kind or width)
        else:
            found.append((column, text, width, width))
        column += width
    return [(at, text, cells_of) for at, text, cells_of, _ in found]


for language, suffix in (("en", ""), ("zh", ".zh-CN")):
    for name, file in (("pairing", "pairing"), ("chat", "screen")):
        picture = draw(*scene(ROOT / "tests" / "screens" / f"{language}-80x24.txt", name))
        (ROOT / "docs" / f"{file}{suffix}.svg").write_text(picture, encoding="utf-8")
