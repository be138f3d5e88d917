"""No page leads nowhere, and each page can be found."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from support.markdown import PAGES, ROOT, anchors, links

NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


class TestLinks:
    @pytest.mark.parametrize("name", NAMES)
    def test_links_within_the_repository_resolve(self, name: str) -> None:
        page = ROOT / name
        for link in links(page):
            if "://" in link or link.startswith("mailto:"):
                continue
            target, _, anchor = link.partition("#")
            goal = (page.parent / target).resolve() if target else page
            assert goal.exists(), f"{name}: {link}"
            assert goal.is_relative_to(ROOT), f"{name}: {link}"
            if anchor:
                assert anchor in anchors(goal), f"{name}: {link}"

    def test_every_page_is_linked_from_another(self) -> None:
        linked: set[Path] = set()
        for page in PAGES:
            linked |= {(page.parent / link.partition("#")[0]).resolve() for link in links(page)}
        alone = {page for page in PAGES if page not in linked and page.parent != ROOT}
        assert not {str(page.relative_to(ROOT)) for page in alone}


class TestPictures:
    @pytest.mark.parametrize(
        "picture", sorted((ROOT / "docs/images").glob("*.svg")), ids=lambda path: path.name
    )
    def test_a_picture_is_well_formed_described_and_readable_in_the_dark(self, picture: Path) -> None:
        root = ElementTree.parse(picture).getroot()
        names = {element.tag.partition("}")[2] for element in root}
        assert {"title", "desc"} <= names
        text = picture.read_text("utf-8")
        assert "prefers-color-scheme: dark" in text
        assert "href" not in text
        assert "@import" not in text
