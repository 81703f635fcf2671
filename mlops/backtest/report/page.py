"""One HTML file that needs nothing else: words, tables, figures, and plotly.js once. Pure.

A policy in the page lets no other script run than the two that were written here (by their hashes), and lets nothing be loaded
or sent. Figures are drawn when they come into view.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from mlops.backtest.report.charts import Figure
from mlops.backtest.report.markup import Html, element, joined, text

_STYLE = """
:root{--ink:#1f2328;--soft:#57606a;--line:#d8dee4;--good:#0b6b50;--bad:#a4262c;--back:#f6f8fa}
*{box-sizing:border-box}
body{margin:0 auto;max-width:68rem;padding:1.5rem 1rem 4rem;font:16px/1.55 system-ui,-apple-system,"Segoe UI",sans-serif;
color:var(--ink);background:#fff;overflow-wrap:anywhere}
h1{font-size:1.7rem;line-height:1.2;margin:.2rem 0 .4rem}h2{font-size:1.3rem;margin:2.6rem 0 .6rem;border-top:1px solid var(--line);padding-top:1.4rem}
h3{font-size:1.05rem;margin:1.6rem 0 .4rem}p{max-width:46rem}.soft,small{color:var(--soft)}small{font-size:.8em;white-space:nowrap}
nav ul{display:flex;flex-wrap:wrap;gap:.3rem 1.2rem;padding:0;list-style:none}a{color:#0550ae}
a:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:3px solid #0550ae;outline-offset:2px;border-radius:2px}
.skip{position:absolute;left:-999rem}.skip:focus{left:1rem;top:.5rem;background:#fff;padding:.4rem .8rem}
.scroll{overflow-x:auto;margin:.8rem 0 1.2rem}table{border-collapse:collapse;min-width:100%;font-size:.92rem}
caption{text-align:left;font-weight:600;padding:.3rem 0}caption span{display:block;position:sticky;left:0;width:fit-content;max-width:min(46rem,calc(100vw - 2rem))}th,td{text-align:left;padding:.4rem .7rem;border-bottom:1px solid var(--line);vertical-align:top}
th,td{overflow-wrap:normal}tbody th,td:not(.number){overflow-wrap:anywhere;min-width:9rem}tbody th{font-weight:500}td ul{margin:0}.wrap{white-space:normal}thead th{background:var(--back);font-weight:600}.number{text-align:right;font-variant-numeric:tabular-nums}
tr.ours th,tr.ours td{background:#eef7f3}
.verdict{display:inline-block;border-radius:1rem;padding:0 .55rem;font-size:.8rem;border:1px solid currentColor;white-space:nowrap}
.good{color:var(--good)}.bad{color:var(--bad)}.even{color:var(--soft)}
.figure{height:24rem;margin:1rem 0;border:1px solid var(--line);border-radius:.4rem;overflow:hidden}
.cards{display:grid;grid-template-columns:repeat(auto-fit,minmax(9.5rem,1fr));gap:.8rem;padding:0;margin:1rem 0;list-style:none}
.cards li{background:var(--back);border-radius:.5rem;padding:.7rem .9rem}.cards strong{display:block;font-size:1.35rem;font-variant-numeric:tabular-nums}
details{margin:.5rem 0}summary{cursor:pointer;color:#0550ae}ul,ol{padding-left:1.3rem}li{margin:.2rem 0}
@media (max-width:40rem){body{padding:1rem .8rem 3rem}h1{font-size:1.35rem}.figure{height:21rem}th,td{padding:.35rem .45rem}}
@media print{.scroll{overflow:visible}nav{display:none}}
"""
_DRAW = """
(() => {
  const figures = JSON.parse(document.getElementById("figures").textContent);
  const calm = {responsive: true, displaylogo: false, displayModeBar: false, scrollZoom: false};
  const draw = (box) => Plotly.newPlot(box, figures[box.dataset.figure].data, figures[box.dataset.figure].layout, calm);
  const boxes = document.querySelectorAll("[data-figure]");
  if (!("IntersectionObserver" in window)) { boxes.forEach(draw); return; }
  const seen = new IntersectionObserver((entries) => entries.forEach((each) => {
    if (each.isIntersecting) { seen.unobserve(each.target); draw(each.target); }
  }), {rootMargin: "400px"});
  boxes.forEach((box) => seen.observe(box));
  window.addEventListener("beforeprint", () => boxes.forEach((box) => box.hasChildNodes() || draw(box)));
})();
"""


@dataclass(slots=True)
class Page:
    """What is put together from top to bottom."""

    title: str
    _parts: list[Html] = field(default_factory=list)
    _figures: list[Figure] = field(default_factory=list)
    _sections: list[tuple[str, str]] = field(default_factory=list)

    def add(self, *parts: object) -> None:
        self._parts.extend(text(each) for each in parts)

    def section(self, title: str) -> None:
        """A second-level heading, also in the list of contents."""
        anchor = f"part-{len(self._sections) + 1}"
        self._sections.append((anchor, title))
        self.add(element("h2", title, id=anchor))

    def figure(self, caption: str, figure: Figure, told: str) -> None:
        """A figure under its caption, with words for those who do not see it."""
        self.add(
            element("p", element("strong", caption)),
            element("div", class_="figure", data_figure=str(len(self._figures)), role="img", aria_label=told),
        )
        self._figures.append(figure)

    def html(self, plotly: str) -> str:
        """The file.

        Args:
            plotly: the text of plotly.js.
        """
        contents = element(
            "nav",
            element(
                "ul",
                *[element("li", element("a", name, href=f"#{anchor}")) for anchor, name in self._sections],
            ),
            aria_label="Contents",
        )
        scripts = (plotly, _DRAW)
        policy = (
            "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'; "
            f"script-src {' '.join(_hash(each) for each in scripts)}"
        )
        # The only place where text of a shop stands outside of HTML's own escaping: no "<" is left in it.
        figures = json.dumps(self._figures, allow_nan=False).replace("<", "\\u003c")
        return "\n".join(
            [
                "<!doctype html>",
                '<html lang="en">',
                "<head>",
                '<meta charset="utf-8">',
                f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
                '<meta name="viewport" content="width=device-width, initial-scale=1">',
                '<meta name="referrer" content="no-referrer">',
                f"<title>{text(self.title)}</title>",
                f"<style>{_STYLE}</style>",
                "</head>",
                "<body>",
                element("a", "Skip to the numbers", class_="skip", href="#main"),
                element("header", element("h1", self.title), contents),
                element("main", joined(self._parts), id="main"),
                f'<script type="application/json" id="figures">{figures}</script>',
                *[f"<script>{each}</script>" for each in scripts],
                "</body>",
                "</html>",
                "",
            ]
        )


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def bullets(items: Sequence[object]) -> Html:
    return element("ul", *[element("li", each) for each in items])
