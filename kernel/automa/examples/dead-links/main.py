"""Find dead links in a folder of HTML.

Follows every link, image, script and style sheet of a static site to the file it names, and every
`#anchor` to the element it means. Works on files alone, so it can run before the site is published.
Addresses of other sites are only counted.
"""

import sys
from collections import Counter
from dataclasses import asdict, dataclass
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

LINKS = {
    "a": "href",
    "area": "href",
    "link": "href",
    "iframe": "src",
    "img": "src",
    "script": "src",
    "source": "src",
}


@dataclass
class Link:
    line: int
    target: str


class Page(HTMLParser):
    """The links of one page, and the anchors it offers."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[Link] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors.update(value for key in ("id", "name") if (value := values.get(key)))
        target = values.get(LINKS.get(tag, ""))
        if target is not None:
            self.links.append(Link(self.getpos()[0], target.strip()))


@dataclass
class Dead:
    page: str
    line: int
    target: str
    reason: str


def main(
    site: str = "site", external: Literal["count", "list"] = "count", fail_if_dead: bool = False
) -> dict[str, Any]:
    """Check all links of the pages in a folder.

    Args:
        site: The folder with the pages.
        external: Whether to list the addresses of other sites, or only to count them.
        fail_if_dead: Let the run fail if a dead link was found, for use before publishing.
    """
    root = Path(site)
    pages = read_pages(root)
    files = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    outside: Counter[str] = Counter()
    dead: list[Dead] = []
    checked = 0
    for name, page in pages.items():
        for link in page.links:
            if is_external(link.target):
                outside[link.target] += 1
                continue
            checked += 1
            if reason := why_dead(name, link.target, files, pages):
                dead.append(Dead(name, link.line, link.target, reason))
                print(f"{name}:{link.line}: {link.target!r}: {reason}")

    print(
        f"\n{len(pages)} pages, {checked} links checked, {len(dead)} dead, {outside.total()} lead elsewhere"
    )
    if external == "list":
        print(*sorted(outside), sep="\n")
    if dead and fail_if_dead:
        sys.exit(1)
    return {
        "pages": len(pages),
        "checked": checked,
        "dead": [asdict(link) for link in dead],
        "external": sorted(outside) if external == "list" else outside.total(),
    }


def read_pages(root: Path) -> dict[str, Page]:
    """All pages of the site by their name, a path relative to its root."""
    pages: dict[str, Page] = {}
    for path in sorted([*root.rglob("*.html"), *root.rglob("*.htm")]):
        page = Page()
        page.feed(path.read_text("utf-8", errors="replace"))
        page.close()
        pages[path.relative_to(root).as_posix()] = page
    if not pages:
        sys.exit(f"There are no HTML files in {root}.")
    return pages


def is_external(target: str) -> bool:
    address = urlsplit(target)
    return bool(address.scheme or address.netloc)


def why_dead(name: str, target: str, files: set[str], pages: dict[str, Page]) -> str | None:
    """What is wrong with a link on the page `name`, or None if it leads somewhere."""
    address = urlsplit(target)
    if not target:
        return "the link is empty"
    goal = resolve(name, unquote(address.path))
    if goal is None:
        return "it leads out of the site"
    if goal not in files:
        goal = f"{goal}/index.html".removeprefix("./")
    if goal not in files:
        return "there is no such file"
    anchor = unquote(address.fragment)
    # An empty anchor and "top" mean the top of every page.
    if anchor and anchor.lower() != "top" and goal in pages and anchor not in pages[goal].anchors:
        return f"{goal} has no element with the id {anchor!r}"
    return None


def resolve(name: str, path: str) -> str | None:
    """The file a path means on the page `name`, from the root of the site; None if that is outside of it."""
    if not path:
        return name
    base = "" if path.startswith("/") else PurePosixPath(name).parent.as_posix()
    goal = normpath(f"{base}/{path}".lstrip("/"))
    return None if goal == ".." or goal.startswith("../") else goal
