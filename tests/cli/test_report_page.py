"""The page of `report` in a real browser: what a person sees and does there."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from fastlayers import Image, Store
from tests import engine, package_files, stack_image
from tests.chromium import PROGRAM, Chromium, Page
from tests.tar_members import Member

pytestmark = pytest.mark.needs(PROGRAM)

_BASE = [
    Member(b"usr/lib/libbig.so", "file", 0o755, content=b"b" * 600_000),
    Member(b"usr/lib/libsmall.so", "file", content=b"s" * 150_000),
    Member(b"usr/bin/tool", "file", 0o4755, content=b"t" * 200_000),
    Member(b"etc/passwd", "file", content=b"p" * 40_000),
    Member(b"opt/key.pem", "file", 0o600, 3, 4, 5 * 10**9, b"k" * 90_000),
    Member(b"empty", "dir", 0o755),
    Member(b"usr/link", "symlink", 0o777, link=b"lib/libbig.so"),
]
_TOP = [
    Member(b"opt/.wh.key.pem", "file"),
    Member(b"etc/passwd", "file", 0o600, content=b"p" * 10_000),
    Member(b"srv/www/index", "file", content=b"w" * 300_000),
]
_HOSTILE = [
    b"<img src=x onerror=alert(1)>",
    b"</script><script>alert(1)</script>",
    b'"><svg onload=alert(1)>',
    b"new\nline",
    b"\x1b[31mred",
    "right\u202eto left".encode(),
    "\u05d0\u05d1".encode(),
    b"not utf-8 \xff\xfe\xc3(",
    b"\xed\xa0\x80 surrogate",
    "nul\u0085 and \u2028".encode(),
    b"&amp;",
    b"__proto__",
    b"constructor",
]
# How they are to be seen; what is behind a "/" is in a folder.
_HARMLESS = [
    "<img src=x onerror=alert(1)>",
    "</",
    '"><svg onload=alert(1)>',
    "new\\nline",
    "\\x1b[31mred",
    "right\\u202eto left",
    "\u05d0\u05d1",
    "not utf-8 \\xff\\xfe\\xc3(",
    "\\xed\\xa0\\x80 surrogate",
    "nul\\x85 and \\u2028",
    "&amp;",
    "__proto__",
    "constructor",
]


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """A store with one:1 and two:1 (a layer more)."""
    with engine.scratch_store() as root:
        stack_image.loaded(root, [_BASE], "one:1")
        stack_image.loaded(root, [_BASE, _TOP], "two:1")
        yield Store(root)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """One browser for all of them."""
    browser = Chromium(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


Shown = Callable[..., AbstractContextManager[Page]]


@pytest.fixture
def shown(chromium: Chromium, tmp_path: Path) -> Shown:
    """Opens the report of images; at the end nothing may have been complained about."""
    from contextlib import contextmanager

    @contextmanager
    def open(image: Image, new: Image | None = None, width: int = 1280) -> Iterator[Page]:
        file = tmp_path / "report.html"
        image.report(file, new)
        with chromium.page(width) as page:
            page.open(file)
            yield page
            assert page.complaints() == []

    return open


def _crumbs(page: Page) -> str:
    return "".join(page.texts("#crumbs > *"))


def _names(page: Page) -> list[str]:
    return page.texts("#contents .mono")


def _find_on_map(page: Page, path: str) -> tuple[float, float]:
    """A point of the map at which the pointer is told this path."""
    area = page.value("document.querySelector('#map').getBoundingClientRect().toJSON()")
    for row in range(4, int(area["height"]), 24):
        for column in range(4, int(area["width"]), 24):
            x, y = area["x"] + column, area["y"] + row
            page.hover(x, y)
            if page.text("#tip .mono") == path:
                return x, y
    raise AssertionError(f"{path} is nowhere on the map")


def test_what_is_told_of_an_image(store: Store, shown: Shown) -> None:
    with shown(store.image("two:1")) as page:
        assert page.text("#title") == "two:1"
        assert page.value("document.title") == "two:1"
        facts = page.texts("#facts div")
        assert [fact.split("\n")[0] for fact in facts] == [
            "Layers", "Files", "Wasted", "Efficiency",
        ]  # fmt: skip
        assert "130\u00a0kB" in facts[2]
        assert page.texts("#layers .layer .mono") == ["step 0", "step 1"]
        assert page.texts("#layers .step") == [
            "13 added, 130\u00a0kB wasted",
            "3 added, 1 modified, 1 deleted",
        ]
        assert page.value("document.querySelectorAll('.segment').length") == 2
        assert _names(page)[:3] == ["usr/", "srv/", "etc/"]
        assert "1.26\u00a0MB" in page.text("#detail")


def test_drill_down_by_clicks_on_the_map_and_back(store: Store, shown: Shown) -> None:
    with shown(store.image("two:1")) as page:
        page.click_at(*_find_on_map(page, "/usr/lib/libbig.so"))
        assert "/usr/lib/libbig.so" in page.text("#detail")
        assert "-rwxr-xr-x" in page.text("#detail") and "layer 1" in page.text("#detail")
        assert _crumbs(page) == "/"  # a file is chosen, not entered
        page.click_at(*_find_on_map(page, "/usr/lib"))
        assert _crumbs(page) == "/usr/lib"
        assert _names(page) == ["libbig.so", "libsmall.so"]
        page.click("#crumbs button:nth-of-type(2)")
        assert _crumbs(page) == "/usr" and _names(page) == ["lib/", "bin/", "link"]
        page.value("history.back()")
        page.until("document.querySelectorAll('#crumbs button').length === 3")
        page.value("history.go(-1)")
        page.until("document.querySelectorAll('#crumbs button').length === 1")
        assert _names(page)[0] == "usr/"


def test_drill_down_by_keys(store: Store, shown: Shown) -> None:
    with shown(store.image("two:1")) as page:
        page.value("document.querySelector('#map').focus()")
        page.press("ArrowRight")
        first = page.text("#detail .mono")
        page.press("ArrowRight")
        page.press("ArrowDown")
        assert page.text("#detail .mono") != first
        page.press("Enter")
        assert _crumbs(page) != "/"
        page.press("Backspace")
        assert _crumbs(page) == "/"
        page.value("document.querySelector('#contents button').focus()")
        page.press("ArrowDown")
        page.press("Enter")
        assert _crumbs(page) == "/srv"
        page.click("#contents button")
        page.click("#contents button")
        assert "/srv/www/index" in page.text("#detail")


def test_an_empty_folder_and_a_link(store: Store, shown: Shown) -> None:
    with shown(store.image("one:1")) as page:
        page.click("#search")
        page.type("empty")
        page.press("Enter")
        assert _crumbs(page) == "/empty" and page.text("#contents") == "An empty folder."
        assert page.value("document.querySelector('#nothing').hidden") is False
        page.click("#crumbs button")
        page.type("/")
        page.type("usr/link")
        page.press("Enter")
        assert "\u2192 lib/libbig.so" in page.text("#detail")


def test_search_as_you_type(store: Store, shown: Shown) -> None:
    with shown(store.image("two:1")) as page:
        page.type("/")  # the key that goes there
        page.type("LIB")
        assert page.text("#results .count") == "3 paths"
        assert page.texts("#results .mono") == [
            "/usr/lib", "/usr/lib/libbig.so", "/usr/lib/libsmall.so",
        ]  # fmt: skip
        page.type(" small")
        assert page.texts("#results .mono") == ["/usr/lib/libsmall.so"]
        assert page.texts("#results mark") == ["lib", "libsmall"]
        page.press("ArrowDown")
        page.press("Enter")
        assert _crumbs(page) == "/usr/lib" and "libsmall.so" in page.text("#detail")
        assert page.value("document.querySelector('#results').hidden") is True
        page.click("#search")
        page.type("zzz")
        assert page.text("#results .count") == "No path has that in it."
        page.press("Escape")
        assert page.value("document.querySelector('#search').value") == ""
        page.click("#search")
        page.type("index")
        page.click("#results .hit")
        assert _crumbs(page) == "/srv/www"


def test_a_layer_stands_out(store: Store, shown: Shown) -> None:
    pixels = "document.querySelector('#map').toDataURL()"
    with shown(store.image("two:1")) as page:
        before = page.value(pixels)
        page.click("#layers .layer:nth-child(2)")
        picked = page.value(pixels)
        assert picked != before
        assert page.value("document.querySelectorAll('.segment.dim').length") == 1
        page.click("#all-layers")
        assert page.value(pixels) == before
        page.click(".segment:nth-child(2)")
        assert page.value(pixels) == picked
        assert page.value(
            "document.querySelector('.layer:nth-child(2)').getAttribute('aria-pressed')"
        ) == "true"  # fmt: skip


def test_lists(store: Store, shown: Shown) -> None:
    with shown(store.image("two:1")) as page:
        assert page.texts("#tabs button") == [
            "Largest files", "Largest folders", "Wasted 2", "Config and history",
        ]  # fmt: skip
        assert page.texts("#list .large .mono")[:2] == ["/usr/lib/libbig.so", "/srv/www/index"]
        page.click("#tab-1")
        assert page.texts("#list .folder .mono")[:2] == ["/usr", "/usr/lib"]
        page.click("#list button.folder:nth-of-type(2)")
        assert _crumbs(page) == "/usr/lib"
        page.click("#tab-2")
        assert page.texts("#list button.waste") == [
            "90\u00a0kB\n 1\n 2\n/opt/key.pem",
            "40\u00a0kB\n 1\n 2\n/etc/passwd",
        ]
        page.press("ArrowRight")
        assert "History, newest first" in page.text("#list") and "step 1" in page.text("#list")


def test_the_differences_of_two(store: Store, shown: Shown) -> None:
    with shown(store.image("one:1"), store.image("two:1")) as page:
        assert page.text("#title") == "one:1\u2192two:1"
        facts = dict(fact.split("\n", 1) for fact in page.texts("#facts div"))
        assert facts["Added"].startswith("3") and facts["Removed"].startswith("1")
        assert page.texts("#layers .step")[1].startswith("only in the second")
        assert page.texts("#tabs button")[0] == "Differences 5"
        rows = [row.split("\n") for row in page.texts("#list button.change")]
        assert rows[0][:1] + rows[0][-1:] == ["added", "/srv/www/index"]
        assert ["removed", "90\u00a0kB", "/opt/key.pem"] in [[c for c in r if c] for r in rows]
        changed = next(row for row in rows if row[0] == "changed")
        assert changed[1:] == ["40\u00a0kB", "10\u00a0kB", "content, mode", "/etc/passwd"]
        assert page.texts("#contents .removed") == ["\u221290\u00a0kB", "\u221230\u00a0kB"]
        pixels = "document.querySelector('#map').toDataURL()"
        before = page.value(pixels)
        page.click("#colours button:nth-child(2)")
        assert page.value(pixels) != before
        page.click("#list button.change:nth-of-type(2)")
        assert "removed" in page.text("#detail") and _crumbs(page) == "/opt"


def test_the_packages_of_two(tmp_path: Path, shown: Shown) -> None:
    hostile = "<img src=x onerror=alert(1)></script>\u202e"
    first = [
        package_files.npm("", "gone", "1.0"),
        package_files.pypi("changed", "1.0"),
        package_files.dpkg(("libc6", "2.36", "amd64"), ("libc6", "2.36", "i386")),
        package_files.apk(("musl", "1.2", "x86_64")),
        package_files.rpms(("bash", "5", "x86_64")),
    ]
    second = [
        package_files.dpkg(("libc6", "2.37", "amd64"), ("libc6", "2.36", "i386")),
        package_files.apk(("musl\udcff\u202e", "1.2", "x86_64")),
        package_files.rpms(("bash", "5", "x86_64"), ("bash", "5", "i686")),
        Member(b"node_modules/.wh.gone", "file"),
        Member(b"usr/lib/python3/.wh.changed-1.0.dist-info", "file"),
        package_files.pypi("changed", "2.0"),
        package_files.pypi("fresh", hostile),
        package_files.written("var/lib/rpm/Packages", "a Berkeley DB"),
    ]
    root = str(tmp_path / "store")
    old = stack_image.loaded(root, [first], "old:1")
    new = stack_image.loaded(root, [first, second], "new:1")
    with shown(old, new) as page:
        assert page.texts("#tabs button")[1] == "Packages 7"
        page.click("#tab-1")
        assert [row.split("\n") for row in page.texts("#list .package:not(.head)")] == [
            ["removed", "apk", "musl", "1.2"],
            ["added", "apk", r"musl\xff\u202e", "1.2"],
            ["changed", "deb", "libc6", "2.36", "2.37"],
            ["removed", "npm", "gone", "1.0"],
            ["changed", "pypi", "changed", "1.0", "2.0"],
            ["added", "pypi", "fresh", hostile.replace("\u202e", "\\u202e")],
            ["added", "rpm", "bash", "5-1"],
        ]
        assert "Not read" in page.text("#list") and "/var/lib/rpm/Packages" in page.text("#list")
        assert page.value("document.querySelectorAll('img, #list script').length") == 0
    for width in (420, 1280):
        with shown(old, new, width) as page:
            page.click("#tab-1")
            cells = "[...document.querySelectorAll('#list .package span')]"
            assert page.value(f"{cells}.every((cell) => cell.scrollWidth <= cell.clientWidth)")
            assert page.value("document.documentElement.scrollWidth") <= width
    with shown(old, old) as page:
        page.click("#tab-1")
        assert page.text("#list") == "The packages of both are the same."


def test_names_that_would_break_out(tmp_path: Path, shown: Shown) -> None:
    layer = [Member(b"dir/" + n, "file", content=b"x" * 5000) for n in _HOSTILE]
    layer += [Member(b"link", "symlink", 0o777, link=b"<b>\xff\n</b>")]
    image = stack_image.loaded(str(tmp_path / "store"), [layer, []], "bad:1")
    with shown(image) as page:
        page.click("#contents button")
        assert sorted(_names(page)) == sorted(_HARMLESS)
        page.click("#search")
        page.type("script><")
        assert page.texts("#results .mono") == [
            "/dir/</script><script>alert(1)<",
            "/dir/</script><script>alert(1)</script>",
        ]
        page.press("Enter")
        page.press("Enter")
        assert page.value("document.querySelectorAll('img, svg, #list script, b b').length") == 0
        assert page.value("document.scripts.length") == 1


def test_instructions_that_would_break_out(tmp_path: Path, shown: Shown) -> None:
    import io

    from tests import tar_write
    from tests.image_parts import Blob, archive_of, image_of, layout_members
    from tests.oci_layout import NAME

    text = "RUN echo </script><img src=x onerror=alert(1)> \u202e"
    settings = {"Labels": {"<b>": "</script>"}, "Env": ["A=<img src=x>"]}
    history = [{"created_by": text, "comment": text, "created": "</script>"}]
    parts = image_of([Blob.plain(tar_write.plain(_BASE))], history=history, config=settings)
    archive = archive_of(*layout_members(parts, {NAME: "bad:2"}))
    (image,) = Image.load(io.BytesIO(archive), store=Store(str(tmp_path / "store")))
    with shown(image) as page:
        assert page.texts("#layers .mono") == [text.replace("\u202e", "\\u202e")]
        page.click("#tabs button:last-child")
        assert "A=<img src=x>" in page.text("#list") and "</script>" in page.text("#list")
        assert page.value("document.querySelectorAll('img, #list b').length") == 0


def test_what_is_not_of_the_page_does_nothing(
    store: Store, tmp_path: Path, chromium: Chromium
) -> None:
    store.image("one:1").report(tmp_path / "report.html")
    with socket.create_server(("127.0.0.1", 0)) as server, chromium.page() as page:
        page.open(tmp_path / "report.html")
        server.setblocking(False)
        page.value(
            "{const e = document.createElement('script'); e.textContent = 'window.bad = 1';"
            "document.body.append(e); document.body.setAttribute('onclick', 'window.bad = 2');"
            f"new Image().src = 'http://127.0.0.1:{server.getsockname()[1]}/x';"
            "document.body.click()}"
        )
        assert page.value("window.bad === undefined") is True
        refused = [text for text in page.complaints() if "Content Security Policy" in text]
        assert len(refused) >= 3
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.parametrize("width", [420, 900, 1920])
def test_it_fits_narrow_and_wide_windows(store: Store, shown: Shown, width: int) -> None:
    with shown(store.image("one:1"), store.image("two:1"), width) as page:
        assert page.value("document.documentElement.scrollWidth") <= width
        page.click_at(*_find_on_map(page, "/usr/lib/libbig.so"))
        assert "libbig.so" in page.text("#detail")


def test_dark_and_light(store: Store, shown: Shown) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    with shown(store.image("two:1")) as page:
        light, drawn = (
            page.value(background),
            page.value("document.querySelector('#map').toDataURL()"),
        )
        page.click("#tab-2")
        page.scheme("dark")
        page.until(f"{background} !== {light!r}")
        page.until(f"document.querySelector('#map').toDataURL() !== {drawn!r}")
        assert page.texts("#tabs [aria-selected=true]") == ["Wasted 2"]


def test_an_image_without_anything(tmp_path: Path, shown: Shown) -> None:
    image = stack_image.loaded(str(tmp_path / "store"), [], "empty:1")
    with shown(image) as page:
        assert page.text("#layers") == "The image has no layers."
        assert page.text("#nothing") == "No bytes here."
        said = (
            "No file has any bytes.",
            "There are no folders.",
            "No later layer hides what an earlier one carries.",
        )
        for tab, text in enumerate(said):
            page.click(f"#tab-{tab}")
            assert page.text("#list") == text
    with shown(image, image) as page:
        assert page.text("#list") == "The files of both are the same."


def test_a_path_that_is_deeper_and_a_name_that_is_longer_than_the_page(
    tmp_path: Path, shown: Shown
) -> None:
    deep = b"d/" * 1500 + b"file"
    layer = [Member(deep, "file", content=b"x"), Member(b"n" * 255, "file", content=b"y" * 9)]
    image = stack_image.loaded(str(tmp_path / "store"), [layer], "deep:1")
    with shown(image, image) as page:
        page.click("#search")
        page.type("d/file")
        page.press("Enter")
        assert page.value("document.querySelectorAll('#crumbs button').length") == 1501
        assert page.value("document.querySelector('#map').clientHeight") > 250
        assert page.value("document.documentElement.scrollWidth") <= 1280
        page.click("#crumbs button")
        assert _names(page) == ["n" * 255, "d/"]


def test_five_hundred_layers(tmp_path: Path, shown: Shown) -> None:
    stack = [[Member(b"file-%d" % n, "file", content=b"x" * 1000)] for n in range(500)]
    image = stack_image.loaded(str(tmp_path / "store"), stack, "many:1")
    with shown(image) as page:
        assert page.value("document.querySelectorAll('#layers .layer').length") == 500
        bar = "document.querySelector('.segments').getBoundingClientRect()"
        assert page.value(f"{bar}.width") <= 1280 - 48
        page.click("#layers .layer:nth-child(500)")
        assert "step 499" in page.text("#layers .layer:nth-child(500)")
        page.click("#contents .more")
        assert page.value("document.querySelectorAll('#contents .inside').length") == 200


def test_a_hundred_and_twenty_thousand_files(tmp_path: Path, chromium: Chromium) -> None:
    number = random.Random(5)
    folders = [b"srv"]
    for _ in range(6000):
        folders.append(number.choice(folders[-300:]) + b"/d%d" % len(folders))
    folders = [folder for folder in folders if folder.count(b"/") < 20]
    layers = [
        [
            Member(b"%s/file-%d.js" % (number.choice(folders), n), "file",
                   content=b"x" * number.randrange(1, 900))
            for n in range(start, start + 60_000)
        ]
        for start in (0, 60_000)
    ]  # fmt: skip
    root = str(tmp_path / "store")
    stack_image.loaded(root, layers[:1], "half:1")
    image = stack_image.loaded(root, layers, "whole:1")
    for images in ((image, None), (Store(root).image("half:1"), image)):
        file = tmp_path / "report.html"
        started = time.monotonic()
        images[0].report(file, images[1])
        assert time.monotonic() - started < 3  # on a busy machine; it takes a seventh of that
        with chromium.page() as page:
            assert page.open(file) < 5000
            page.click("#search")
            page.type("file-11999")
            assert page.text("#results .count") == "11 paths"
            took = page.value(
                "(() => { const from = performance.now(), box = document.querySelector('#search');"
                "box.value = 'js'; box.dispatchEvent(new Event('input'));"
                "return performance.now() - from })()"
            )
            assert took < 2000
            assert page.text("#results .count").startswith("120,000 paths")
            page.press("Escape")
            page.click("#contents button")
            assert _crumbs(page) == "/srv"
            assert page.complaints() == []
