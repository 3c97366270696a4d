"""Plots with names in every language: the fonts of their texts, and what no font can show."""

import shutil

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.text import Text

from textclf.evaluation import fonts
from textclf.evaluation.fonts import describe_unshown, save_figure
from textclf.evaluation.plots import plot_confusion

SEA, SKY, HAN = "\u6d77", "\u5929", "Test Han"


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    """Paths of the fonts of the system, none at first; matplotlib lists its own fonts only."""
    found = []
    own = [font for font in font_manager.fontManager.ttflist if "mpl-data" in font.fname]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: found)
    fonts._find_others.cache_clear()
    yield found
    fonts._find_others.cache_clear()


@pytest.fixture
def make_font(tmp_path):
    """Return a function that writes a font, in which each character is a square."""

    def make(characters, family=HAN, weight=400):
        pen = TTGlyphPen(None)
        pen.moveTo((0, 0))
        for corner in ((0, 800), (800, 800), (800, 0)):
            pen.lineTo(corner)
        pen.closePath()
        names = [".notdef", *(f"uni{ord(character):04X}" for character in characters)]
        builder = FontBuilder(1000)
        builder.setupGlyphOrder(names)
        builder.setupCharacterMap(dict(zip(map(ord, characters), names[1:], strict=True)))
        builder.setupGlyf(dict.fromkeys(names, pen.glyph()))
        builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)))
        builder.setupHorizontalHeader(ascent=800, descent=-200)
        builder.setupNameTable({"familyName": family, "styleName": "Regular"})
        builder.setupOS2(usWeightClass=weight)
        builder.setupPost()
        path = tmp_path / f"{family}.ttf"
        builder.save(path)
        return str(path)

    return make


def plot(*names, title="mlp on bbc"):
    return plot_confusion([[2, 1], [0, 3]], names, title)


def list_families(figure):
    """Return the families of all texts of a figure."""
    return {tuple(text.get_fontfamily()) for text in figure.findobj(Text)}


@pytest.mark.parametrize("is_listed", [True, False])
def test_missing_characters_are_drawn_in_a_font_that_has_them(
    make_font, installed, tmp_path, is_listed
):
    path = make_font(SEA)
    if is_listed:
        font_manager.fontManager.addfont(path)
    else:
        installed.append(path)
    figure = plot(SEA, "land")
    save_figure(figure, tmp_path / "a.png")  # Warnings are errors in tests.
    assert list_families(figure) == {("sans-serif", HAN)}
    assert describe_unshown([SEA, "land"], [figure]) is None


def test_font_with_the_most_missing_characters_comes_first(make_font, tmp_path, installed):
    installed += [make_font(SEA, "A"), make_font(SEA + SKY, "B"), make_font("\u5730", "C")]
    figure = plot(f"{SEA}{SKY}", "\u5730", title=f"mlp on {SKY}")
    save_figure(figure, tmp_path / "a.png")
    assert list_families(figure) == {("sans-serif", "B", "C")}


def test_regular_font_is_preferred_and_another_weight_is_not_reported(
    make_font, tmp_path, installed, caplog
):
    installed += [make_font(SEA, "Light", 200), make_font(SEA, "Regular")]
    figure = plot(SEA, "land")
    save_figure(figure, tmp_path / "a.png")
    assert list_families(figure) == {("sans-serif", "Regular")}
    installed.append(make_font(SKY, "Thin", 100))
    figure = plot(SKY, "land")
    save_figure(figure, tmp_path / "a.png")
    assert list_families(figure) == {("sans-serif", "Thin")}
    assert caplog.messages == []


def test_names_that_no_font_can_show_are_noted(tmp_path):
    names = [SEA * 60, "land"]
    figure = plot(*names, title=f"mlp on {SKY}")
    save_figure(figure, tmp_path / "a.png")
    assert list_families(figure) == {("sans-serif",)}
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert describe_unshown([SKY, *names], [figure]) == (
        f"the plots cannot show the characters of '{SKY}', '{SEA * 18}...': no installed font has"
        " them; install one for the language, such as a Noto font"
    )


def test_names_that_are_not_drawn_are_not_noted():
    assert describe_unshown([SEA], [plot("sea", "land")]) is None


def test_other_fonts_are_not_read_if_the_default_one_has_all_characters(tmp_path, monkeypatch):
    monkeypatch.setattr(fonts, "_read_installed", None)
    figure = plot("\u0633\u0639\u064a\u062f", "Stra\u00dfe")
    save_figure(figure, tmp_path / "a.png")
    assert list_families(figure) == {("sans-serif",)}


def test_fonts_that_cannot_be_read_are_left_out(tmp_path, installed, make_font):
    changed = make_font(SEA, "Changed")
    font_manager.fontManager.addfont(changed)
    damaged = tmp_path / "damaged.ttf"
    damaged.write_bytes(b"no font")
    damaged.replace(changed)
    installed += [make_font(SEA), shutil.copy(changed, damaged)]
    figure = plot(SEA, "land")
    save_figure(figure, tmp_path / "a.png")
    assert list_families(figure) == {("sans-serif", HAN)}


@pytest.mark.parametrize("name", ["$5$ and $", "a_b^c", r"$\frac$", r"\$"])
def test_dollar_signs_do_not_begin_a_formula(tmp_path, name):
    figure = plot(name, "b", title=f"mlp on {name}")
    save_figure(figure, tmp_path / "a.png")  # A formula that is not valid is an error.
    axes = figure.axes[0]
    for text in (axes.title, axes.get_xticklabels()[0], axes.get_yticklabels()[0]):
        assert name in text.get_text()
        assert not text.get_parse_math()


@pytest.mark.parametrize("name", ["customer reviews " * 8, SEA * 60])
def test_long_title_is_wrapped_within_the_figure(tmp_path, name, make_font, installed):
    installed.append(make_font(SEA))
    figure = plot("a", "b", title=f"tfidf-svc on {name}")
    save_figure(figure, tmp_path / "a.png")
    title = figure.axes[0].title
    extent = title.get_window_extent()
    assert extent.x0 >= 0
    assert extent.x1 <= figure.bbox.width
    assert extent.y1 <= figure.bbox.height
    assert title.get_text().count("\n") >= 2
