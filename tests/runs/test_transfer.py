"""A run directory as bytes, for machines that share no disk."""

import pytest

from textclf.errors import RunError
from textclf.runs import transfer
from textclf.runs.directory import FILES, RunDirectory


def test_a_packed_run_is_written_completely_with_its_result_last(smoke_run, tmp_path, monkeypatch):
    there = RunDirectory(tmp_path / "run")
    files = transfer.pack_run(RunDirectory(smoke_run))
    assert set(files) == {path.name for path in smoke_run.iterdir() if path.name in FILES}
    there.path.mkdir()
    (there.path / "checkpoint.npz").write_bytes(b"of an earlier epoch")
    write_atomically, written = transfer.write_atomically, []

    def fail_at_the_result(path):
        written.append(path.name)
        if path.name == "evaluation.json":
            raise RunError("no space")
        return write_atomically(path)

    monkeypatch.setattr(transfer, "write_atomically", fail_at_the_result)
    with pytest.raises(RunError, match="no space"):
        transfer.unpack_run(there, files)
    assert sorted(written) == sorted(files)
    assert written[-1] == "evaluation.json"
    assert not there.is_finished
    monkeypatch.undo()
    transfer.unpack_run(there, files)
    assert there.find_damage() == []
    assert transfer.pack_run(there) == files


def test_copies_of_python_files_are_transferred(code_runs, tmp_path, forget):
    files = transfer.pack_run(RunDirectory(code_runs["scaled"]))
    assert {"model.py", "dataset.py"} <= set(files)
    there = RunDirectory(tmp_path / "run")
    there.path.mkdir()
    transfer.unpack_run(there, files)
    assert there.find_damage() == []
    assert there.read_model(trust_code=True).label_names == ("fruit", "tool")
    del files["model.py"]
    transfer.unpack_run(there, files)
    assert there.find_damage() == ["model.py is missing"]
