"""The pictures of the README, made anew: ``python tools/readme_pictures.py RUN ASSESSED``.

RUN is the demonstration's first run (``demo/runs/DEMO-RJ-0417``) with its plans (``survey report RUN``);
ASSESSED is a run of the same mine that holds a sheet. Needs Chromium.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

import pypdfium2
from PIL import Image

HOME = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(HOME / "tests" / "report"))

from chromium_pipe import chromium  # noqa: E402

PICTURES = HOME / "docs" / "pictures"


def keep(name: str, image: Image.Image, width: int) -> None:
    """As JPEG, so many pixels wide at the most."""
    image = image.convert("RGB")
    if image.width > width:
        image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=82, optimize=True, progressive=True)
    (PICTURES / name).write_bytes(out.getvalue())
    print(name, image.size, f"{out.tell() / 1024:.0f} KiB")


def page_of(pdf: Path, number: int, scale: float) -> Image.Image:
    return pypdfium2.PdfDocument(pdf)[number].render(scale=scale).to_pil()


def report(run: Path, site: str) -> None:
    """The head of the report with its map, and the card of a site."""
    with tempfile.TemporaryDirectory() as work, chromium(Path(work) / "profile") as page:
        shot = Path(work) / "shot.png"

        def part(selector: str) -> Image.Image:
            """From the page's own top if the part is a section, else the part alone."""
            page.run("new Promise(r => setTimeout(() => r(true), 1500))")
            left, top, right, bottom = page.run(
                f"(() => {{ const b = document.querySelector('{selector}').getBoundingClientRect();"
                " return [b.left + scrollX, b.top + scrollY, b.right + scrollX, b.bottom + scrollY]; })()"
            )
            page.screenshot(shot, whole=True)
            if selector.startswith("section"):
                left, top = 0, 0
            return Image.open(shot).crop((int(left), int(top), int(right) + 12, int(bottom) + 8))

        page.size(1200, 1000)
        page.open(run / "report.html")
        page.until("document.querySelectorAll('#map img').length > 0")
        keep("report-map.jpg", part("section:has(#map)"), 1200)
        page.size(1400, 1000)
        page.run(f"document.querySelector('#site-table tr[data-id=\"{site}\"] td:nth-child(3)').click()")
        page.until("document.querySelector('#card .card') !== null")
        keep("report-sites.jpg", part("#card"), 1100)


def sheet(pdf: Path) -> None:
    """The first two pages beside each other."""
    one, two = page_of(pdf, 0, 1.3), page_of(pdf, 1, 1.3)
    both = Image.new("RGB", (one.width + two.width + 12, one.height), "#808080")
    both.paste(one, (0, 0))
    both.paste(two, (one.width + 12, 0))
    keep("sheet.jpg", both, 1500)


def main(run: Path, assessed: Path) -> None:
    # The pit that straddles the boundary shows the most.
    report(run, "C001974-000695")
    keep("plan-surface.jpg", page_of(run / "plan-surface.pdf", 0, 1.0), 1800)
    sheet(assessed / "sheet-C001974-000695.pdf")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
