"""Bytes of a text file as text, whatever its encoding.

Knows Unicode's marks and the encodings that books were typed in before Unicode. Refuses to guess at what is no text.
"""

from __future__ import annotations

import re
from collections import Counter

from her.errors import InputError, MissingExtra

_LEGACY = re.findall(
    r"\w+",
    "cp1252 mac_roman cp1250 iso8859_2 cp1254 cp1251 koi8_r cp866 iso8859_5 mac_cyrillic cp1253 "
    "gb18030 big5 shift_jis euc_jp euc_kr iso2022_jp",
)
_ALPHABETS = {
    # What a language adds to A to Z, by the encodings that can write it.
    "cp1252 mac_roman": "àâæçéèêëîïôœùûüÿ äöüß áéíóúüñ àèéìíòóù ãáâàçéêíõóôú åäöé æøåé éëïóöü",
    "cp1250 iso8859_2": "áčďéěíňóřšťúůýž ąćęłńóśźż áéíóöőúüű ăâîşţ čćđšž áäčďéíľĺňóôŕšťúýž",
    "cp1254": "çğıöşüâî",
}
_LATIN = {codec: alphabets.split() for codecs, alphabets in _ALPHABETS.items() for codec in codecs.split()}
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"))
_WIDE_MARKS = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_OTHERS = (
    (b"%PDF", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive, but no EPUB"),
    (b"\x1f\x8b", "compressed with gzip"),
    (b"{\\rtf", "rich text (RTF)"),
    (b"\xd0\xcf\x11\xe0", "an old Word document"),
    (b"AT&TFORM", "a DjVu scan"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
)
_ODD = re.compile(r"(?<=[^\W\d_])[^\x00-\x7f’‘“”–—…«»]|[^\x00-\x7f’‘“”–—…«»](?=[^\W\d_])")
"""Characters that look like letters of a word."""
_TOLERATED = 5_000
"""A UTF-8 text may be damaged once in so many bytes; it is still no other encoding."""
_SAMPLE = 400_000
_NULS = 0.2
_LEAST_LATIN = 0.6
"""Bytes that are looked at for letters; share of NUL bytes from which a text is UTF-16; share of odd letters that one
alphabet must explain. Ours."""


def decode(data: bytes, name: str) -> str:
    """The text of a file; `name` is how errors call it.

    Raises InputError for an empty file, for what is no text, and for an encoding that cannot be told.
    """
    if not data.strip(b" \t\r\n\0\xef\xbb\xbf\xff\xfe"):
        raise InputError(f"{name}: the file is empty; name a novel as plain text or EPUB")
    if other := next((what for mark, what in _OTHERS if data.startswith(mark)), None):
        raise InputError(f"{name}: is {other}; convert it to plain text (UTF-8) or EPUB first")
    if data[60:68] == b"BOOKMOBI":
        raise InputError(f"{name}: is a Kindle book; convert it to EPUB first")
    text = _unicode(data)
    if text is None:
        text = _legacy(data, name)
    controls = sum(text.count(chr(code)) for code in range(32) if code not in {9, 10, 11, 12, 13, 26, 28, 29})
    if controls * 200 > len(text):
        raise InputError(f"{name}: is no text; name a novel as plain text or EPUB")
    return text


def _unicode(data: bytes) -> str | None:
    for mark, codec in (*_MARKS, *_WIDE_MARKS):
        if data.startswith(mark):
            return data.decode(codec, errors="replace")
    for at, codec in ((1, "utf-16-le"), (0, "utf-16-be")):
        half = data[at:40_000:2]
        if half.count(0) > _NULS * max(len(half), 8):
            return data.decode(codec, errors="replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("utf-8", errors="replace")
    broken, wide = text.count("\ufffd"), sum(not char.isascii() for char in text)
    return text if wide > 10 * broken and broken * _TOLERATED < len(data) + _TOLERATED else None


def _legacy(data: bytes, name: str) -> str:
    try:
        from charset_normalizer import from_bytes  # noqa: PLC0415
    except ImportError:
        raise MissingExtra("a text that is not UTF-8", "synth") from None
    likely = [match.encoding for match in from_bytes(data, cp_isolation=_LEGACY)]
    if likely and likely[0] not in _LATIN:
        return data.decode(likely[0], errors="replace")
    # The Latin encodings are one family to a statistician; their odd letters tell them apart.
    fits = {codec: fit for codec in _LATIN if (fit := _fit(data, codec)) is not None}
    best = max(fits, key=lambda codec: fits[codec], default="cp1252")
    if not fits or (fits[best] < _LEAST_LATIN and not likely):
        raise InputError(f"{name}: its encoding cannot be told; save it as UTF-8")
    return data.decode(best, errors="replace")


def _fit(data: bytes, codec: str) -> float | None:
    """The share of odd characters inside words that one language's alphabet explains; None where it cannot decode."""
    try:
        text = data[:_SAMPLE].decode(codec)
    except UnicodeDecodeError:
        return None
    odd = Counter(_ODD.findall(text))
    if not odd:
        return 1.0
    told = (sum(count for char, count in odd.items() if char.lower() in letters) for letters in _LATIN[codec])
    return max(told) / odd.total()
