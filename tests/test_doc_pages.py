"""Every command and every Python block of the documentation works as written.

`doc_blocks` says which blocks there are, `doc_data` on what they run, and `doc_reader` what is
done differently from what they say.
"""

import re

import pytest
from doc_blocks import (
    GUIDES,
    PAGES,
    RUNNABLE,
    format_counts,
    list_executed,
    name_page,
    read_blocks,
    split_session,
)
from doc_data import read_page
from doc_reader import check_language
from doc_shell import NEEDS_BASH


@pytest.mark.parametrize("page", PAGES, ids=name_page)
def test_every_block_is_executed_or_says_why_not(page):
    blocks = read_blocks(page)
    for block in blocks:
        check_language(block)
        if block.language == "console":
            assert split_session(block.code), block.location
    n_reasons = len(re.findall(r"^<!-- not executed", page.read_text(), re.MULTILINE))
    assert n_reasons == sum(block.language in RUNNABLE and bool(block.reason) for block in blocks)


def test_most_blocks_are_executed():
    blocks = [block for page in PAGES for block in read_blocks(page) if block.language in RUNNABLE]
    assert sum(block.is_executed for block in blocks) / len(blocks) > 0.85, format_counts()


@NEEDS_BASH
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Even though the `tf.config:UserWarning")  # See doc_data.
@pytest.mark.usefixtures("tensorflow", "hub_cache")
@pytest.mark.parametrize("page", list_executed(GUIDES), ids=name_page)
def test_guide_works_as_written(page, tmp_path, doc_folder, monkeypatch, forget):
    read_page(page, tmp_path, doc_folder, monkeypatch, forget, trains_runs=True)
