"""What products are alike by what they are: words of their titles and categories, and the build of their codes. Pure.

It tells something of a product before anybody bought it together with others. Only words count: what a file says in numbers
or dates (units sold, last sale) may have been counted after the moment that is asked about.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy import sparse

from mlops.predictors.recommend.signals import Floats
from mlops.training.recommend.tables import gram_blocks, scaled_rows, table

KEPT = 100
# A word of more than a fifth of the products tells none apart.
MOST_COMMON = 0.2
LEAST_CODE = 4
_WORD = re.compile(r"[^\W\d_]{2,}", re.UNICODE)
_TIME = re.compile(r"^\d{4}-\d{2}-\d{2}")


def content_table(
    skus: Sequence[str],
    texts: Mapping[str, Mapping[str, str | None]],
    *,
    codes: bool,
    codes_of: Sequence[str] | None = None,
) -> sparse.csr_matrix | None:
    """Items by items: cosine of TF-IDF vectors; None when no two products share a word.

    Args:
        texts: columns of each product by SKU, as text.
        codes: whether the beginnings of SKUs count as words. Shops number what belongs together alike (22896, 22897 or
            85014A, 85014B); the numbers of a set of bare sequences were given by whoever published it.
        codes_of: the codes of the products, where `skus` are only names.
    """
    words = [_words(texts.get(sku, {})) for sku in skus]
    if codes:
        words = [held | _beginnings(code) for held, code in zip(words, codes_of or skus, strict=True)]
    count = Counter(word for each in words for word in each)
    most = max(2.0, MOST_COMMON * len(skus))
    number = {word: at for at, word in enumerate(sorted(word for word, n in count.items() if 1 < n <= most))}
    if not number:
        return None
    rows = [sorted(number[word] for word in each if word in number) for each in words]
    indptr = np.concatenate([[0], np.cumsum([len(each) for each in rows])])
    indices = np.array([word for each in rows for word in each], np.int32)
    rarity = np.array([np.log(len(skus) / count[word]) for word in number], np.float32)
    vectors = sparse.csr_matrix((rarity[indices], indices, indptr), shape=(len(skus), len(number)))
    length = np.sqrt(np.asarray(vectors.multiply(vectors).sum(axis=1)).ravel())
    vectors = scaled_rows(vectors, 1 / np.maximum(length, 1e-9))
    turned = vectors.T.tocsr()

    def blocks() -> Iterator[tuple[int, Floats]]:
        for start, block in gram_blocks(turned, turned):
            at = np.arange(len(block))
            block[at, start + at] = 0.0
            yield start, block

    return table(blocks(), len(skus), KEPT)


def _words(columns: Mapping[str, str | None]) -> set[str]:
    found: set[str] = set()
    for text in columns.values():
        if text and not _TIME.match(text):
            found.update(word.lower() for word in _WORD.findall(text))
    return found


def _beginnings(sku: str) -> set[str]:
    """The code without its last one and two characters, when enough is left."""
    return {f"#{sku[:-cut]}" for cut in (1, 2) if len(sku) - cut >= LEAST_CODE - 1 and len(sku) >= LEAST_CODE}
