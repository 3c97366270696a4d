"""Every block of the pages that a newcomer follows works; see `test_doc_pages`.

They are in a file of their own so that two processes of the tests share the work.
"""

import pytest
from doc_blocks import TUTORIALS, list_executed, name_page
from doc_data import read_page
from doc_shell import NEEDS_BASH


@NEEDS_BASH
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Even though the `tf.config:UserWarning")  # See doc_data.
@pytest.mark.usefixtures("tensorflow", "hub_cache")
@pytest.mark.parametrize("page", list_executed(TUTORIALS), ids=name_page)
def test_tutorial_works_as_written(page, tmp_path, doc_folder, monkeypatch, forget):
    read_page(page, tmp_path, doc_folder, monkeypatch, forget, trains_runs=False)
