"""A picture for every product that has none: a flat still life, always the same for the same product."""

from __future__ import annotations

import hashlib
import re
from xml.sax.saxutils import escape

# Each drawing is for a 200 x 200 canvas and stands on a table at y = 150. {a} main colour, {b} darker, {c} lighter.
DRAWINGS: dict[str, str] = {
    "mug": '<path d="M134 96h14a18 18 0 0 1 0 36h-14" fill="none" stroke="{b}" stroke-width="9"/>'
    '<rect x="68" y="80" width="68" height="70" rx="10" fill="{a}"/><rect x="68" y="80" width="68" height="12" rx="6" fill="{c}"/>',
    "bottle": '<rect x="90" y="46" width="20" height="30" fill="{b}"/><rect x="86" y="40" width="28" height="12" rx="4" fill="{c}"/>'
    '<path d="M74 92c0-12 16-12 16-22h20c0 10 16 10 16 22v50a8 8 0 0 1-8 8H82a8 8 0 0 1-8-8Z" fill="{a}"/><rect x="74" y="104" width="52" height="26" fill="{c}"/>',
    "candle": '<path d="M100 48c10 12 10 22 0 26-10-4-10-14 0-26Z" fill="#f6b73c"/><rect x="98" y="72" width="4" height="12" fill="#555"/>'
    '<rect x="72" y="82" width="56" height="68" rx="8" fill="{a}"/><rect x="80" y="102" width="40" height="24" rx="3" fill="{c}"/>',
    "plate": '<ellipse cx="100" cy="138" rx="62" ry="12" fill="{b}"/><circle cx="100" cy="96" r="52" fill="{a}"/><circle cx="100" cy="96" r="34" fill="{c}"/>',
    "bowl": '<path d="M48 92h104c0 36-22 58-52 58s-52-22-52-58Z" fill="{a}"/><ellipse cx="100" cy="92" rx="52" ry="12" fill="{c}"/>',
    "jar": '<rect x="72" y="60" width="56" height="16" rx="5" fill="{b}"/><rect x="66" y="74" width="68" height="76" rx="14" fill="{a}"/><rect x="66" y="96" width="68" height="30" fill="{c}"/>',
    "bag": '<path d="M80 86V70a20 20 0 0 1 40 0v16" fill="none" stroke="{b}" stroke-width="7"/><path d="M60 84h80l8 66H52Z" fill="{a}"/><circle cx="100" cy="116" r="12" fill="{c}"/>',
    "box": '<rect x="56" y="82" width="88" height="68" rx="4" fill="{a}"/><rect x="50" y="68" width="100" height="20" rx="4" fill="{b}"/><rect x="92" y="68" width="16" height="82" fill="{c}"/>',
    "lamp": '<path d="M76 58h48l18 44H58Z" fill="{a}"/><rect x="97" y="102" width="6" height="40" fill="{b}"/><rect x="76" y="140" width="48" height="10" rx="5" fill="{b}"/>',
    "plant": '<path d="M100 104C70 98 66 70 72 52c20 6 30 24 28 52Zm0 0c28-4 36-26 32-46-20 4-32 20-32 46Z" fill="#5c8f64"/><path d="M74 104h52l-8 46H82Z" fill="{a}"/><rect x="70" y="100" width="60" height="12" rx="3" fill="{b}"/>',
    "book": '<rect x="60" y="58" width="80" height="92" rx="4" fill="{a}"/><rect x="60" y="58" width="14" height="92" fill="{b}"/><rect x="86" y="80" width="40" height="8" fill="{c}"/><rect x="86" y="94" width="28" height="6" fill="{c}"/>',
    "cushion": '<path d="M56 78c28 8 60 8 88 0 8 24 8 48 0 72-28-8-60-8-88 0-8-24-8-48 0-72Z" fill="{a}"/><path d="M78 82v62M100 84v60M122 82v62" stroke="{c}" stroke-width="6"/>',
    "clock": '<circle cx="100" cy="98" r="52" fill="{a}"/><circle cx="100" cy="98" r="40" fill="{c}"/><path d="M100 98V72M100 98l18 10" stroke="{b}" stroke-width="6" stroke-linecap="round"/>',
    "frame": '<rect x="54" y="56" width="92" height="94" rx="3" fill="{b}"/><rect x="66" y="68" width="68" height="70" fill="{c}"/><path d="M66 138l24-34 16 20 10-12 18 26Z" fill="{a}"/>',
    "heart": '<path d="M100 148c-62-40-54-86-26-88 14 0 22 8 26 18 4-10 12-18 26-18 28 2 36 48-26 88Z" fill="{a}"/><circle cx="82" cy="84" r="8" fill="{c}"/>',
    "tool": '<rect x="94" y="78" width="12" height="72" rx="6" fill="{b}"/><ellipse cx="100" cy="66" rx="22" ry="28" fill="{a}"/><ellipse cx="100" cy="62" rx="12" ry="16" fill="{c}"/>',
}  # fmt: skip
WORDS = {
    "mug": ("mug", "cup", "tumbler", "teapot", "carafe", "glass"),
    "bottle": ("bottle", "soap", "lotion", "wash", "diffuser", "oil", "shampoo", "wine"),
    "candle": ("candle", "light", "incense", "lantern", "t-light"),
    "plate": ("plate", "platter", "tray", "coaster", "board", "cake"),
    "bowl": ("bowl", "basket", "dish", "cereal"),
    "jar": ("jar", "honey", "salt", "coffee", "tea ", "jam", "tin", "granola", "chocolate", "pot"),
    "bag": ("bag", "tote", "apron", "lunch", "purse", "backpack"),
    "box": ("box", "gift", "set", "kit", "wrap", "drawer", "case"),
    "lamp": ("lamp", "shade", "lampshade"),
    "plant": ("plant", "vase", "flower", "garden", "seed", "herb", "pot plant", "planter"),
    "book": ("book", "notebook", "journal", "card", "paper", "pad", "diary"),
    "cushion": ("cushion", "throw", "blanket", "towel", "sheet", "pillow", "rug", "textile", "linen"),
    "clock": ("clock", "watch", "timer"),
    "frame": ("frame", "print", "poster", "sign", "mirror", "picture"),
    "heart": ("heart", "love", "toy", "bear", "bunting", "decoration", "ornament"),
    "tool": ("spoon", "brush", "trimmer", "knife", "glove", "tool", "fork", "key", "hook"),
}
HUES = (12, 28, 42, 88, 150, 175, 200, 220, 262, 330, 350)


def draw(product_id: int, title: str, product_type: str) -> str:
    """An SVG document, 600 x 600, without scripts or outside parts."""
    digest = hashlib.blake2b(f"{product_id}:{title}".encode(), digest_size=8).digest()
    hue = HUES[digest[0] % len(HUES)]
    ground = (hue + 150 + digest[1] % 60) % 360
    colours = {
        "a": f"hsl({hue} {38 + digest[2] % 22}% {52 + digest[3] % 14}%)",
        "b": f"hsl({hue} 36% 36%)",
        "c": f"hsl({hue} 45% 82%)",
    }
    shape = DRAWINGS[_kind(title, product_type, digest[4])].format(**colours)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 200" width="600" height="600" role="img">'
        f"<title>{escape(title)}</title>"
        f'<rect width="200" height="200" fill="hsl({ground} 26% 91%)"/>'
        f'<rect y="146" width="200" height="54" fill="hsl({ground} 22% 84%)"/>'
        f'<ellipse cx="100" cy="153" rx="58" ry="7" fill="hsl({ground} 22% 70%)" opacity=".6"/>{shape}</svg>'
    )


def _kind(title: str, product_type: str, chance: int) -> str:
    for text in (product_type.lower() + " ", title.lower() + " "):
        found = [
            (match.start(), kind)
            for kind, words in WORDS.items()
            for word in words
            for match in re.finditer(rf"\b{word}", text)
        ]
        if found:
            return max(found)[1]  # the last word names the thing: "Teapot Gift Box" is a box
    return list(DRAWINGS)[chance % len(DRAWINGS)]
