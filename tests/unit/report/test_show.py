"""``show``: tables, tree and histogram of one run, as text and as data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.unit.report.records import BASELINE_ONLY, KILLED, MS, RECORD, process, stat
from tracer.errors import UsageError
from tracer.model import Run, SyscallError
from tracer.report import as_json, totals
from tracer.report.bars import bar
from tracer.report.form import Page
from tracer.report.histogram import Histogram
from tracer.report.show import Figures
from tracer.report.totals import By, Sort
from tracer.report.tree import Tree
from tracer.report.view import View

if TYPE_CHECKING:
    from tracer.model import RunRecord

TWO_THREADS = RECORD._replace(
    syscalls=(
        *RECORD.syscalls,
        stat("getppid", 110, 7, thread_id=2, tid=71, min_ns=5, max_ns=50_000, total_ns=60_000),
        stat("getppid", 64, 3, abi="i386"),
    ),
)
FAMILY = RECORD._replace(
    processes=(
        process(1, 0, end_ns=2 * MS, exit_code=None),
        process(1, 1, argv=("make",), start_ns=2 * MS),
        process(2, 0, argv=None, comm="sh"),
        process(3, 0, parent_id=2, argv=("find", "."), exit_code=None, term_signal=9),
        process(4, 0, argv=("cc",)),
    ),
)


def figures(record: RunRecord, by: By, **chosen: Any) -> Any:
    return Figures(record, by, **chosen).data()["rows"]


def test_threads_of_one_syscall_are_added_up_by_abi_and_number() -> None:
    sums = totals.by_syscall(TWO_THREADS.syscalls)
    native = sums["x86_64", 110, "getppid"]
    assert (native.calls, native.total_ns) == (1016, 1_009_000 + 60_000)
    assert (native.min_ns, native.max_ns) == (5, 50_000)
    assert native.histogram[3] == 1016
    assert sums["i386", 64, "getppid"].calls == 3


def test_a_mean_is_over_calls_that_returned_and_unknown_if_none_did() -> None:
    gone = totals.add_up([stat("exit_group", 231, 1, unfinished=1, total_ns=None)])
    assert gone.mean_ns is None
    assert totals.add_up([stat("read", 0, 4, unfinished=1, total_ns=3000)]).mean_ns == 1000


@pytest.mark.parametrize(
    ("sort", "first"),
    [
        (Sort.CALLS, "getppid"),
        (Sort.TIME, "getppid"),
        (Sort.ERRORS, "openat"),
        (Sort.BLOCKED, "clone"),
        (Sort.NAME, "clone"),
    ],
)
def test_each_sort_puts_its_own_first(sort: Sort, first: str) -> None:
    rows = figures(KILLED, By.SYSCALL, sort=sort)
    assert rows is not None
    assert rows[0]["name"] == first


@pytest.mark.parametrize("by", list(By))
def test_every_table_fits_80_columns_as_text_and_is_json(by: By) -> None:
    text = Figures(TWO_THREADS, by).text()
    assert max(map(len, text.splitlines())) <= 80
    assert not text.startswith("--")
    assert json.loads(as_json.dumps({"rows": figures(TWO_THREADS, by)}))["rows"]


def test_a_limit_says_how_many_rows_it_left_out() -> None:
    assert Figures(RECORD, By.SYSCALL, limit=1).text().endswith("and 3 more: --limit 4 shows all\n")
    assert len(figures(RECORD, By.SYSCALL, limit=1)) == 1


def test_errors_of_the_kernel_and_of_the_filter_stay_apart() -> None:
    both = (
        SyscallError(1, 70, 0, 1, 70, "x86_64", 41, "socket", 1, "EPERM", 2, 0),
        SyscallError(1, 70, 0, 2, 71, "x86_64", 41, "socket", 1, "EPERM", 1, 23),
    )
    rows = figures(RECORD._replace(syscall_errors=both), By.ERRNO)
    assert rows == [
        {
            "errno": 1,
            "errno_name": "EPERM",
            "abi": "x86_64",
            "name": "socket",
            "failed": 3,
            "blocked": 23,
        }
    ]


def test_without_ebpf_there_is_no_table_but_a_reason_and_null() -> None:
    assert Figures(BASELINE_ONLY, By.SYSCALL).text().endswith("run it with sudo\n")
    assert figures(BASELINE_ONLY, By.SYSCALL) is None
    assert Tree(BASELINE_ONLY).text().endswith("run it with sudo\n")
    with pytest.raises(UsageError, match="run it with sudo"):
        Histogram.of(BASELINE_ONLY, "read").text()


def test_the_tree_shows_children_under_parents_and_images_in_order() -> None:
    lines = Tree(FAMILY).text().splitlines()[2:]
    assert [line.rsplit("  ", 1)[-1].strip() for line in lines] == [
        "./violate 'a b'",
        "| => make",
        "|- sh",
        "`- find .",
        "`- cc",
    ]
    assert "SIGKILL" in lines[3]


def test_the_tree_as_data_nests_children() -> None:
    (root,) = Tree(FAMILY).data()["tree"]
    children = root["children"]
    assert isinstance(children, list)
    assert [child["process_id"] for child in children] == [2, 4]
    assert children[0]["children"][0]["term_signal"] == 9
    assert [image["argv"] for image in root["images"]] == [["./violate", "a b"], ["make"]]  # type: ignore[attr-defined]


def test_a_tree_of_two_thousand_generations_is_drawn() -> None:
    chain = tuple(process(n, parent_id=n - 1 if n > 1 else None) for n in range(1, 2001))
    assert Tree(RECORD._replace(processes=chain)).text(Page(10_000)).count("violate") == 2000


def test_an_orphan_whose_parent_was_not_followed_is_a_root() -> None:
    record = RECORD._replace(processes=(process(1), process(2, parent_id=99)))
    assert len(Tree(record).data()["tree"]) == 2


def test_a_histogram_names_bounds_and_never_hides_a_rare_slow_call() -> None:
    buckets = [0] * 28
    buckets[1], buckets[4], buckets[27] = 100_000, 1, 1
    record = RECORD._replace(syscalls=(stat("read", 0, 100_002, histogram=tuple(buckets)),))
    text = Histogram.of(record, "read").text()
    assert max(map(len, text.splitlines())) <= 80
    assert "8.59 s and more        1  #\n" in text
    assert Histogram.of(record, "read").data()["histogram"] == [
        {"syscall": "read", "from_ns": 128, "to_ns": 256, "calls": 100_000},
        {"syscall": "read", "from_ns": 1024, "to_ns": 2048, "calls": 1},
        {"syscall": "read", "from_ns": 1 << 33, "to_ns": None, "calls": 1},
    ]


def test_a_histogram_of_a_call_that_was_not_made_is_an_error_with_a_remedy() -> None:
    with pytest.raises(UsageError, match="no such call: `sbtrace show"):
        Histogram.of(RECORD, "fork").text()


def test_the_run_object_has_the_promised_keys() -> None:
    found = json.loads(as_json.dumps(as_json.run_object(KILLED, lambda _: "line")))
    expected = set(Run._fields) - {"profile_source"}
    assert expected < set(found)
    first = found["syscalls"][0]
    assert (first["name"], first["nr"], first["calls"]) == ("getppid", 110, 1009)
    assert set(first) >= {"name", "abi", "nr", "calls", "errors", "blocked"}
    assert found["blocked_calls"][0]["remedy"] == "line"
    assert found["blocked_calls"][0]["call"].startswith("clone(flags=")
    assert found["syscall_errors"][0]["failed"] == 3


def test_the_run_object_is_null_where_ebpf_did_not_look() -> None:
    found = as_json.run_object(BASELINE_ONLY)
    assert found["syscalls"] is None
    assert found["blocked_calls"] is None
    assert found["total_syscalls"] is None
    assert found["read_syscalls"] == 12


def test_bytes_that_are_not_utf_8_survive_json() -> None:
    record = RECORD._replace(run=RECORD.run._replace(argv=("a\udcff",)))
    text = as_json.dumps(as_json.run_object(record))
    assert json.loads(text)["argv"] == ["a\udcff"]
    text.encode("ascii")


@pytest.mark.parametrize(
    "view",
    [
        View(by=By.ERRNO, tree=True),
        View(histogram="read", tree=True),
        View(tree=True, sort=Sort.NAME),
        View(histogram="read", limit=3),
    ],
)
def test_views_that_do_not_go_together_are_refused(view: View) -> None:
    with pytest.raises(UsageError, match=r"^show: "):
        view.check()


def test_a_view_with_nothing_chosen_is_the_summary_and_a_limit_alone_the_syscalls() -> None:
    assert View().of(RECORD).text().startswith("sbtrace: exited")
    assert View(limit=2).of(RECORD).text().startswith("calls ")
    assert View().of(RECORD).data()["run_id"] == "0123456789ab"
    assert View(tree=True).of(BASELINE_ONLY).data()["tree"] is None


def test_bars_show_what_a_table_is_sorted_by_where_there_is_room() -> None:
    lines = Figures(RECORD, By.SYSCALL).text(Page(100)).splitlines()
    assert lines[2].endswith("█" * 20)
    assert max(map(len, lines)) <= 100
    plain = Figures(RECORD, By.SYSCALL).text(Page(100, plain=True)).splitlines()
    assert plain[2].endswith("#" * 20)
    assert {*plain[-1].rsplit("  ", 1)[-1]} <= {*"#"} or plain[-1].endswith("#")
    assert "█" not in Figures(RECORD, By.SYSCALL).text(Page(60))


def test_a_bar_is_as_long_as_its_part_and_never_nothing() -> None:
    assert [bar(part, 8, 4, plain=True) for part in (8, 4, 1, 0)] == ["####", "##", "#", ""]
    assert bar(8, 8, 4, plain=False) == "████"
    assert bar(1, 8, 4, plain=False) == "▌"
    assert bar(1, 1_000_000, 4, plain=False) == "▏"
    assert bar(0, 0, 4, plain=False) == ""
