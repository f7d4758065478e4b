"""A page, read as a machine reads it."""

import re
from html.parser import HTMLParser

VOID = {"meta"}


class Read(HTMLParser):
    """The marked numbers of a page, its cells, its words, and its tags; it raises for what is not closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.numbers: list[tuple[float, str]] = []
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.words, self.free = "", ""
        self.links: list[str] = []
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        found = dict(attrs)
        self.links += [
            f"{k}={v}" for k, v in attrs if k in {"src", "href", "srcset", "action", "xlink:href"} or k.startswith("on")
        ]
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")
        if tag == "data":
            self.numbers.append((float(found["value"] or "nan"), ""))
        if tag not in VOID:
            self._open.append((tag, found))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop()[0] == tag

    def handle_data(self, data: str) -> None:
        tags = {tag for tag, _ in self._open}
        if tags & {"td", "th"}:
            self.rows[-1][-1] += data
        if tags & {"style", "title"} and not tags & {"svg"}:
            return
        if "svg" not in tags:
            self.words += data
        if "data" in tags:
            value, said = self.numbers[-1]
            self.numbers[-1] = (value, said + data)
        elif not tags & {"time", "svg", "dl"} and not any("told" in (a.get("class") or "") for _, a in self._open):
            self.free += data

    def is_what_it_says(self, value: float, said: str) -> bool:
        """Return whether a text is a value, rounded."""
        shown = re.fullmatch(r"(−?)([\d,]+)(?:\.(\d+))?(%?)", said)
        assert shown is not None, said
        sign, whole, part, per = shown.groups()
        number = float(f"{'-' if sign else ''}{whole.replace(',', '')}.{part or 0}")
        return abs(number - value * (100 if per else 1)) <= 0.5 * 10 ** -len(part or "") + 1e-9
