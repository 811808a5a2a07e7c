import base64
import hashlib
import html
import html.parser
import json
import re
import subprocess

import numpy as np
import pypdf
import pytest

from smad_jax.evaluation import rates
from smad_jax.reporting import __main__ as command
from smad_jax.reporting.audit import analysis, audits, inputs, joining, naming, page
from tests.helpers import audits as audits_of

HOSTILE = (
    "<script>document.body.textContent='gone'</script>",
    "\"'><img src=x onerror=alert(1)>",
    "מסעדה \u202eevil\u202c & كرة",
    "{{ 7*7 }} {% raw %}",
    "a" * 300,
    "line\nbreak\x00\u2069",
)
K, Z = len(HOSTILE), 4


def put(path, column, ids, values):
    import csv

    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", column), *zip(ids, values, strict=True)])
    return str(path)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """An audit of two models whose every name is hostile, and what was printed."""
    folder = tmp_path_factory.mktemp("audit")
    rng, count = np.random.default_rng(0), 900
    labels, scenes = rng.integers(K, size=count), rng.integers(Z, size=count)
    fooled = (scenes == 3) & (rng.random(count) < 0.5)
    ids = [f"{n}{HOSTILE[n % K]}".replace("\n", "") for n in range(count)]
    names = np.array([name.replace("\n", " ") for name in HOSTILE])
    first = names[np.where(fooled, 1, labels)]
    second = names[np.where(fooled & (rng.random(count) < 0.3), 1, labels)]
    out = folder / "audit.html"
    arguments = [
        *("audit", "--predictions", put(folder / "p.csv", "prediction", ids, first)),
        *("--other", put(folder / "q.csv", "prediction", ids, second)),
        *("--labels", put(folder / "l.csv", "label", ids, names[labels])),
        *("--aspect", "scene=" + put(folder / "s.csv", "scene", ids, names[scenes])),
        *("--model-names", HOSTILE[0], HOSTILE[1], "--bootstrap", "20"),
        *("--out", str(out)),
    ]
    assert command.main(arguments) == 0
    return out, arguments


class Elements(html.parser.HTMLParser):
    """Collects tags, attributes and text."""

    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append((self.tags[-1] if self.tags else "", data))

    def of(self, name):
        return [value for key, value in self.attributes if key == name]


def test_names_are_text_and_nothing_else(written):
    text = written[0].read_text("utf-8")
    found = Elements()
    found.feed(text)
    assert not set(found.tags) & {"img", "iframe", "object", "link"}
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert found.tags.count("script") == 1
    script = next(text for tag, text in found.text if tag == "script")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    [policy] = [value for value in found.of("content") if "default-src" in value]
    assert f"script-src 'sha256-{digest}';" in policy, "no other script may run"
    shown = "".join(text for _, text in found.text)
    for name in HOSTILE:
        assert naming.plain(name) in shown
    assert "{{ 7*7 }}" in shown
    assert not re.search("[\u202a-\u202e\u0000]", text)


def test_page_loads_nothing(written):
    text = written[0].read_text("utf-8")
    found = Elements()
    found.feed(text)
    for name in ("src", "xlink:href", "data", "action"):
        assert not found.of(name)
    places = found.of("href")
    assert places and {place[1:] for place in places} <= set(found.of("id"))
    assert not re.search(r"url\(|https?:|@import", text)
    assert "default-src 'none'" in text


def test_same_files_give_the_same_page(written, tmp_path):
    out, arguments = written
    again = tmp_path / "again.html"
    assert command.main([*arguments[:-1], str(again)]) == 0
    assert again.read_bytes() == out.read_bytes()


def test_planted_bias_is_in_the_findings(written):
    text = html.unescape(written[0].read_text("utf-8"))
    assert "1 pair of action and scene exceeds chance: “" in text
    assert "is strongly biased towards the scene: it is correct on" not in text
    assert "1 pair of action and scene has more mistakes than chance explains" in text
    assert "Look into other actions with “" in text
    assert "McNemar" in text and "permutation test" in text
    assert all(f"<bdi>{name}.csv</bdi>" in text for name in "pqls")


def test_gap_between_thirds_is_tested_as_by_swapping_answers():
    rng = np.random.default_rng(3)
    third = np.repeat([0, 1, 2], (40, 30, 50))
    first = rng.random(120) < 0.7
    second = np.where(third == 2, rng.random(120) < 0.85, rng.random(120) < 0.7)
    found = analysis._compare(first, second, third, np.random.default_rng(0))
    change = second.astype(float) - first
    signs = rng.choice([-1, 1], (20_000, 120))

    def gap(change):
        return change[..., third == 0].mean(-1) - change[..., third == 2].mean(-1)

    expected = np.mean(np.abs(gap(signs * change)) >= abs(gap(change)) - 1e-12)
    assert found.gap == pytest.approx(gap(change))
    assert 0.005 < found.p_gap < 0.5
    assert found.p_gap == pytest.approx(expected, abs=0.015)
    assert found.thirds[2] == rates.mcnemar(first[third == 2], second[third == 2])


def test_unreadable_videos_are_shown_as_such(tmp_path):
    import pathlib

    ids = np.array([f"v{n}" for n in range(40)])

    def table(answers=None, shares=None):
        return inputs.Table(pathlib.Path("t"), ids, answers, shares, (), 0)

    shares = np.eye(2)[np.arange(40) % 2]
    shares[:12] = 0
    material = joining.join(
        {"m": table(shares=shares)},
        table(np.arange(40) % 2),
        {"scene": table(np.arange(40) // 20)},
    )
    audit = analysis.analyse(
        material, num_bootstrap=3, seed=0, report=lambda line: None
    )
    assert audit.accuracy["m"].hits == 28
    text = page.render(audit, {}, 0)
    assert "no prediction for 12 videos" in text


@pytest.mark.optional
@pytest.mark.parametrize("names", ["hostile", "plain"])
def test_browser_shows_it_on_a_phone_without_scrolling_sideways(
    names, written, browser, tmp_path
):
    shown, title = written[0].read_text("utf-8"), naming.plain(HOSTILE[0])
    if names == "plain":
        label, scene, biased = audits_of.draw(rare=0.4)
        thing = np.roll(scene, 1)
        found = audits.audit(
            biased,
            label,
            {"scene": scene, "object": thing},
            other=audits_of.draw()[2],
            model_names=["baseline", "SMAD"],
            bootstrap=2,
        )
        shown, title = page.render(found, {}, 0), "baseline"
    content = html.escape(shown)
    (tmp_path / "phone.html").write_text(
        f"""<iframe width=390 height=800 srcdoc="{content}"></iframe><script>
        function sorted(page) {{
          const table = [...page.querySelectorAll("table.sortable")].at(-1);
          const head = table.tHead.rows[0].cells[1], shown = [];
          for (let n = 0; n < 2; n++) {{
            head.querySelector("button").click();
            shown.push(head.ariaSort, [...table.tBodies[0].rows].map(
              row => +row.cells[1].dataset.value));
          }}
          return shown;
        }}
        function broken(page) {{
          const found = [], range = page.createRange();
          for (const head of page.querySelectorAll("th")) {{
            const texts = page.createTreeWalker(head, NodeFilter.SHOW_TEXT);
            for (let text; (text = texts.nextNode());)
              for (const word of text.data.matchAll(/[a-z]{{2,15}}(?![^ ])/gi)) {{
                range.setStart(text, word.index);
                range.setEnd(text, word.index + word[0].length);
                if (range.getClientRects().length > 1) found.push(word[0]);
              }}
          }}
          return found;
        }}
        document.querySelector("iframe").onload = event => {{
          const page = event.target.contentDocument, root = page.documentElement;
          document.body.textContent = JSON.stringify([
            root.scrollWidth, root.clientWidth, page.querySelectorAll("svg").length,
            page.querySelector("h1").innerText, broken(page), sorted(page),
            Math.min(...[...page.querySelectorAll(".bar")].map(b => b.clientWidth)),
            [...page.querySelectorAll(".command")].map(
              c => c.scrollWidth - c.clientWidth)])
        }}</script>""",
        "utf-8",
    )
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"]
    flags += ["--virtual-time-budget=9000", f"--user-data-dir={tmp_path / 'profile'}"]
    file = (tmp_path / "phone.html").as_uri()
    dumped = subprocess.run(
        [browser, *flags, file], capture_output=True, text=True, timeout=100, check=True
    ).stdout
    shown = html.unescape(re.search(r"<body>(\[.*\])</body>", dumped, re.S)[1])
    scrolled, width, pictures, heading, broken, table, bar, cut = json.loads(shown)
    up, rising, down, falling = table
    assert broken == [], "words of a heading stay whole"
    assert scrolled <= width <= 390
    assert pictures > 10 and bar > 60
    assert cut == ([0] if names == "plain" else []), "commands wrap"
    assert heading == f"Bias audit of {title}"
    assert (up, down) == ("ascending", "descending")
    assert rising == sorted(rising) == falling[::-1] and len(set(rising)) > 1


@pytest.mark.optional
def test_browser_prints_all_but_the_long_lists_on_a_few_pages(
    written, browser, tmp_path
):
    printed = tmp_path / "audit.pdf"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
    flags += [f"--print-to-pdf={printed}", f"--user-data-dir={tmp_path / 'profile'}"]
    subprocess.run(
        [browser, *flags, written[0].as_uri()],
        capture_output=True,
        timeout=100,
        check=True,
    )
    document, places = pypdf.PdfReader(printed), []

    def place(text, matrix, text_matrix, font, size):
        if text.strip():
            places.append(text_matrix[4] * matrix[0] + matrix[4])

    text = " ".join(page.extract_text(visitor_text=place) for page in document.pages)
    assert 2 <= len(document.pages) <= 12
    assert "Bias audit of" in text and "McNemar" in text and "Small print" in text
    assert "1 pair of action and scene" in " ".join(text.split())
    assert f"All {K} actions (on screen only)" in " ".join(text.split())
    assert "accuracy there" not in text, "that table is long"
    width = float(document.pages[0].mediabox.width)
    assert 0 < min(places) and max(places) < width, "nothing begins off the paper"
