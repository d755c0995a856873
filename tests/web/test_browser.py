"""The pages in a real browser: the whole way without JavaScript, on a telephone, in the dark."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn
from services import missing

Site = Any  # of conftest
pytestmark = pytest.mark.browser
TAP = 44  # pixels a finger needs
ABORTED = "net::ERR_ABORTED"  # the icon, when the next page is asked for meanwhile


@pytest.fixture(scope="module")  # its event loop is this thread's: other tests need one of their own
def browser(chromium: str) -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ModuleNotFoundError:
        missing("playwright")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def served(site: Site) -> Iterator[str]:
    """The address of the site behind a real server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(site.app, log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(10)


@pytest.fixture
def look(site: Site, served: str, browser: Any) -> Iterator[Callable[..., Any]]:
    """Sign in as a role by a login link in a fresh browser window; answers its page, at the incidents."""
    opened: list[Any] = []

    def sign_in(role: str = "supervisor", width: int = 1100, **options: Any) -> Any:
        options = {"java_script_enabled": False, "viewport": {"width": width, "height": 760}, **options}
        opened.append(browser.new_context(base_url=served, **options))
        page = opened[-1].new_page()
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text))
        page.on("requestfailed", lambda request: problems.extend([request.url] * (request.failure != ABORTED)))
        page.problems = problems
        url = site.post("/v1/login-links", {"next": "/incidents"}, role).json()["url"]
        page.goto(url.removeprefix(site.front.public_url))
        page.get_by_role("button", name="Sign in").click()
        return page

    yield sign_in
    for context in opened:
        context.close()


@pytest.fixture
def shifted(site: Site) -> str:
    """A model whose score moved, and the incident of it."""
    site.model()
    rows = [{"output": {"score": 0.2 + k % 10 / 50, "label": "yes"}} for k in range(200)]
    site.events(rows)
    site.clock.at = site.process.clock.now()
    site.events([{"output": {"score": 0.8 + k % 10 / 50, "label": "no"}} for k in range(60)])
    evidence = [site.evidence(at=site.clock.at + k, segment="inputs.group=" + "long" * 40) for k in range(14)]
    id_: str = site.incident("ScoreShift", [*evidence, site.evidence()], summary="The score of shop-eu moved.")
    site.told(id_, "phone")
    return id_


def heading(page: Any) -> str:
    text: str = page.locator("h1").inner_text()
    return text


def test_a_person_goes_the_whole_way_without_javascript(site: Site, look: Callable[..., Any], shifted: str) -> None:
    page = look()
    assert heading(page) == "1 open incident"
    page.get_by_role("link", name="The score of shop-eu moved.").click()
    assert heading(page) == "The score of shop-eu moved."
    assert page.locator("svg .trip").count() == 1 and page.locator("svg .after").count() == 1
    assert page.locator("details").first.get_attribute("open") is None
    page.get_by_role("button", name="Acknowledge: I have it").click()
    assert "a-supervisor has it since" in page.inner_text("main") and "You have it now" in page.inner_text("main")
    page.fill("textarea[name=note]", "looking <at> it")
    page.get_by_role("button", name="Add note").click()
    assert "“looking <at> it”" in page.locator(".story").inner_text()
    page.fill("input[name=owner]", "kim")
    page.get_by_role("button", name="Assign").click()
    assert page.locator("input[name=owner]").input_value() == "kim"
    page.select_option("select[name=verdict]", "real")
    page.fill("input[name=note]", "a new unit")
    page.get_by_role("button", name="Close").click()
    assert page.locator(".state").first.inner_text() == "closed" and "a-supervisor closed it" in page.inner_text("main")
    page.get_by_role("button", name="Reopen").click()
    assert page.locator(".state").first.inner_text() == "open"
    found = site.get(f"/v1/incidents/{shifted}").json()
    assert (found["state"], found["owner"], found["verdict"]) == ("open", "kim", "real")
    assert [note["text"] for note in found["notes"]] == ["looking <at> it", "a new unit"]
    page.get_by_role("link", name="Models").click()
    page.get_by_role("link", name="shop-eu").click()
    assert heading(page) == "shop-eu"
    page.get_by_role("link", name="shop/ScoreShift").click()
    assert heading(page) == "Rules" and page.url.endswith("/rules#shop/ScoreShift")
    page.get_by_role("button", name="Sign out").click()
    assert heading(page) == "You are signed out"
    page.goto("/incidents")
    assert heading(page) == "Please sign in"
    assert len(page.problems) == 1 and "401" in page.problems[0], "the last page, and nothing before"


def test_with_javascript_the_pages_are_the_same_and_the_policy_is_not_broken(
    look: Callable[..., Any], shifted: str
) -> None:
    page = look(java_script_enabled=True)
    for path in ("/incidents", f"/incidents/{shifted}", "/models", "/models/shop-eu", "/rules"):
        page.goto(path)
    page.goto(f"/incidents/{shifted}")
    page.get_by_role("button", name="Acknowledge: I have it").click()
    assert "You have it now" in page.inner_text("main")
    assert page.problems == [], "the browser says what the policy forbids"


PATHS = ("/incidents", "/incidents/{id}", "/incidents/{held}", "/incidents/{over}", "/incidents/{quiet}", "/models",
         "/models/shop-eu", "/rules", "/nowhere", "/incidents?state=closed")  # fmt: skip
WIDE = """() => [...document.querySelectorAll('main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)
    .map(e => e.outerHTML.slice(0, 120))"""
SMALL = """tap => [...document.querySelectorAll('a, button, input:not([type=hidden]), select, textarea, summary')]
    .map(e => [e, e.getBoundingClientRect()]).filter(([e, r]) => r.height && r.height < tap - 0.5 &&
      !(e.tagName === 'A' && getComputedStyle(e).display === 'inline'))
    .map(([e, r]) => r.height + ' ' + e.outerHTML.slice(0, 120))"""


@pytest.fixture
def paths(site: Site, shifted: str) -> list[str]:
    """A page of every kind, with an incident in every state, and names without end."""
    long = "shop-" + "very-long-name-" * 12
    site.model(long, columns={"inputs." + "c" * 150: "number"}, versions=("v" * 190,))
    site.incident("LowConfidence", summary="word" * 400, model=long)
    held, over = site.incident("NegativeAmounts"), site.incident("Silent", historical=True)
    quiet = site.incident("Quietly", state="recovered", cleared_at=site.clock.at)
    site.post(f"/v1/incidents/{held}/acknowledge", {"note": "n" * 500}, "operator")
    site.post(f"/v1/incidents/{over}/close", {"verdict": "false"})
    site.ask("PUT", "/v1/gates/shop-eu", {"state": "halt", "reason": "r" * 300})
    return [path.format(id=shifted, held=held, over=over, quiet=quiet) for path in PATHS]


def test_on_a_telephone_nothing_is_cut_off_and_everything_can_be_tapped(
    look: Callable[..., Any], paths: list[str]
) -> None:
    page = look(width=360, java_script_enabled=True)
    for path in paths:
        page.goto(path)
        for details in page.locator("summary").all():
            details.click()
        assert page.evaluate("document.documentElement.scrollWidth") == 360, (path, page.evaluate(WIDE))
        assert page.evaluate(WIDE) == [], path
        assert page.evaluate(SMALL, TAP) == [], path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_by_day_and_by_night(look: Callable[..., Any], paths: list[str], scheme: str) -> None:
    """Contrast as WCAG 2.2 counts it, 4.5 at least, of all text against what is painted behind it."""
    page = look(java_script_enabled=True, color_scheme=scheme)
    for path in [*paths, "/login", "/login?t=none"]:
        page.goto(path)
        assert page.evaluate(CONTRAST) == [], path
    ground = "rgb(244, 246, 248)" if scheme == "light" else "rgb(18, 24, 30)"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == ground


CONTRAST = """() => {
  const rgb = c => c.match(/[0-9.]+/g).map(Number);
  const lum = c => rgb(c).slice(0, 3).map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((s, v, i) => s + v * [.2126, .7152, .0722][i], 0);
  const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if ((rgb(c)[3] ?? 1) > 0) return c; } return 'rgb(255,255,255)'; };
  const poor = [];
  for (const e of document.querySelectorAll('main *, header *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || e.closest('option')) continue;
    const svg = e instanceof SVGElement, style = getComputedStyle(e);
    const a = lum(svg ? style.fill : style.color), b = lum(behind(e));
    const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
    if (ratio < 4.5) poor.push(ratio.toFixed(2) + ' ' + e.outerHTML.slice(0, 100));
  }
  return poor;
}"""


def test_two_people_press_acknowledge_and_the_second_is_told_who_has_it(
    site: Site, look: Callable[..., Any], shifted: str
) -> None:
    first, second = look("operator"), look("supervisor")
    for page in (first, second):
        page.goto(f"/incidents/{shifted}")
    first.get_by_role("button", name="Acknowledge: I have it").click()
    second.get_by_role("button", name="Acknowledge: I have it").click()
    banner = second.locator(".banner.bad").inner_text()
    assert banner.startswith("Nothing was changed.") and "acknowledged by a-operator" in banner
    assert site.get(f"/v1/incidents/{shifted}").json()["acknowledged_by"] == "a-operator"


def test_the_keyboard_alone_is_enough_and_shows_where_it_is(look: Callable[..., Any], shifted: str) -> None:
    page = look(java_script_enabled=True)
    page.goto(f"/incidents/{shifted}")
    page.keyboard.press("Tab")
    assert page.locator(":focus").inner_text() == "To the content" and page.locator(":focus").is_visible()
    page.keyboard.press("Enter")
    for _ in range(3):
        page.keyboard.press("Tab")
        if page.locator(":focus").inner_text() == "Acknowledge: I have it":
            break
    assert page.locator(":focus").inner_text() == "Acknowledge: I have it", "the first thing within the content"
    assert page.locator(":focus").evaluate(
        "e => getComputedStyle(e).outlineStyle + getComputedStyle(e).outlineWidth"
    ) == ("solid3px")
    page.keyboard.press("Enter")
    page.wait_for_url("**?said=acknowledge")
    assert "a-supervisor has it since" in page.inner_text("main")


def test_a_note_outlives_a_form_that_was_overtaken(site: Site, look: Callable[..., Any], shifted: str) -> None:
    page = look()
    page.goto(f"/incidents/{shifted}")
    site.post(f"/v1/incidents/{shifted}/acknowledge", {}, "operator")
    page.fill("#close-note", "the unit <changed>")
    page.select_option("select[name=verdict]", "real")
    page.get_by_role("button", name="Close").click()
    assert "Your note is not lost" in page.locator(".banner.bad").inner_text()
    assert page.locator("#close-note").input_value() == "the unit <changed>"
    assert page.locator("select[name=verdict]").input_value() == "real"
    page.get_by_role("button", name="Close").click()
    assert page.locator(".state").first.inner_text() == "closed"
    assert [note["text"] for note in site.get(f"/v1/incidents/{shifted}").json()["notes"]] == ["the unit <changed>"]
