"""Messages and progress on standard error."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from textclf.runtime import progress
from textclf.runtime.progress import ForwardingReporter, LogMessage, Phases, Reporter


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test sets: ``clock.now`` in seconds."""
    found = SimpleNamespace(now=100.0)
    time = SimpleNamespace(monotonic=lambda: found.now, perf_counter=lambda: found.now)
    monkeypatch.setattr(progress, "time", time)
    return found


def test_messages_are_printed_as_they_are(capsys):
    reporter = Reporter()
    reporter.info("loading [red]bbc[/red] :cat:")
    long = "word " * 100 + "end"
    reporter.warning(long)
    captured = capsys.readouterr()
    assert captured.err == f"loading [red]bbc[/red] :cat:\n{long}\n"
    assert captured.out == ""


def test_quiet_prints_warnings_only(capsys):
    reporter = Reporter(quiet=True)
    reporter.info("first")
    reporter.warning("second")
    reporter.log(LogMessage("third"))
    reporter.log(LogMessage("fourth", is_warning=True))
    reporter.info("fifth")
    assert capsys.readouterr().err == "second\nfourth\n"


def test_escape_sequences_in_messages_do_not_reach_the_terminal():
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, highlight=False, soft_wrap=True)
    reporter = Reporter(console=console)
    reporter.info("label \x1b[31mred\x1b[0m")
    reporter.note("text \x9b2J\x07")
    reporter.warning("title \x1b]0;x\x07")
    assert stream.getvalue().splitlines() == [
        "label \ufffd[31mred\ufffd[0m",
        "note: text \ufffd2J\ufffd",
        "title \ufffd]0;x\ufffd",
    ]


def test_notes_are_printed_once(capsys):
    reporter, sent = Reporter(), []
    for text in ("one", "two", "one"):
        reporter.note(text)
        ForwardingReporter(sent.append).note(text)
        reporter.info("message")
    for message in sent:  # Those of other processes.
        reporter.log(message)
    assert capsys.readouterr().err.splitlines() == [
        *("note: one", "message", "note: two", "message", "message")
    ]


def test_a_forwarding_reporter_prints_nothing_and_sends_everything(capsys):
    sent = []
    reporter = ForwardingReporter(sent.append)
    reporter.info("first")
    reporter.warning("second")
    with reporter.counting(1) as count:
        count()
    assert sent[:2] == [LogMessage("first"), LogMessage("second", is_warning=True)]
    assert [message.text for message in sent[2:]] == ["1 of 1 runs done, 0 s left"]
    assert capsys.readouterr().err == ""


def list_lines(capsys):
    """Return the lines of standard error; some versions of rich end with an empty one."""
    return [line for line in capsys.readouterr().err.splitlines() if line]


def test_counting_prints_the_time_that_is_left(capsys, clock):
    with Reporter().counting(4) as count:
        for seconds in (10, 30):
            clock.now += seconds
            count()
    assert list_lines(capsys) == [
        "1 of 4 runs done, 30 s left",
        "2 of 4 runs done, 40 s left",
    ]


def test_rows_are_reported_at_most_every_ten_seconds(capsys, clock):
    with Reporter().processing(1_000) as advance:
        for seconds in (9, 1, 9, 1, 40):
            clock.now += seconds
            advance(200)
    with Reporter().processing(None) as advance:
        for _ in range(2):
            clock.now += 10
            advance(2_000)
    assert list_lines(capsys) == [
        "400 of 1,000 rows done, 15 s left",
        "800 of 1,000 rows done, 5 s left",
        "2,000 rows done",
        "4,000 rows done",
    ]


def test_rows_are_a_bar_on_a_terminal():
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=80, highlight=False)
    with Reporter(console=console).processing(2_000) as advance:
        advance(1_500)
    assert "1,500 of 2,000 rows" in stream.getvalue()
    assert "done" not in stream.getvalue()


@pytest.mark.usefixtures("tensorflow")
def test_without_a_terminal_each_epoch_is_one_line(capsys, clock):
    logs = {"loss": 0.5, "accuracy": 0.75, "val_loss": 0.625, "val_accuracy": 0.5}
    with Reporter().training(epochs=4, steps=10) as callback:
        for epoch in (1, 2):  # Resumed after the first epoch.
            callback.on_epoch_begin(epoch)
            callback.on_train_batch_end(9, {"loss": 0.5})
            clock.now += 2.5
            callback.on_epoch_end(epoch, logs)
    metrics = "loss 0.5000 (val 0.6250)  accuracy 0.7500 (val 0.5000)"
    assert list_lines(capsys) == [
        f"epoch 2/4  {metrics}  5 s left",
        f"epoch 3/4  {metrics}  2 s left",
    ]
    assert len(f"epoch 10/10  {metrics}  999 s left") <= 80


def test_phases_are_printed_and_their_seconds_kept(capsys, clock):
    phases = Phases(Reporter())
    with phases("data", "loading bbc"):
        clock.now += 1.5

    def fail():
        with phases("train", "training"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert phases.seconds == {"data": 1.5}
    assert capsys.readouterr().err == "loading bbc\ntraining\n"
