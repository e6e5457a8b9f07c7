"""Queries read the database and nothing else, and say in one line what is wrong."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.store.records import a_record
from tests.unit.store.test_spool import finished
from tracer import resources
from tracer.errors import (
    QueryError,
    QueryTimedOut,
    RunNotFound,
    SbtraceError,
    StoreError,
    UsageError,
)
from tracer.query import saved
from tracer.query.ask import Answer, Question, as_table, asking, parse_params, to_parquet
from tracer.query.runs import Filter, list_runs, parse_age, parse_since, parse_tags
from tracer.report.rows import RowFormat, write
from tracer.store.destination import Destination
from tracer.store.intake import take_in
from tracer.store.spool.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

OLD, NEW = "aaaaaaaaaaaa", "bbbbbbbbbbbb"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("query") / "sbtrace.duckdb"
    start = datetime(2026, 1, 2, tzinfo=UTC)
    finished(path, a_record(run_id=OLD, started_at=start, profile="LEARNING", tags={}))
    finished(path, a_record(run_id=NEW, started_at=start + timedelta(days=1), tags={"k": "v"}))
    take_in(path)
    return path


def ask(database: Path, text: str, **given_: str) -> list[tuple[object, ...]]:
    with asking(database, Question(text, given_)) as answer:
        return list(answer.rows)


@pytest.mark.parametrize("name", [path.stem for path in resources.queries_dir().glob("*.sql")])
def test_every_saved_query_says_what_it_is_and_runs_with_its_defaults(
    database: Path, name: str
) -> None:
    query = saved.find(name)
    assert query.purpose
    assert query.units
    assert all(parameter.default is not None for parameter in query.parameters)
    ask(database, name)


def test_there_are_the_saved_queries_that_were_promised() -> None:
    names = {query.name for query in saved.all_queries()}
    promised = "top-syscalls errors blocked-by-profile runs-by-command slowest-runs"
    assert names >= {*promised.split(), "profile-averages", "changes", "new-syscalls"}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs whose figures and names are about as wide as real ones come."""
    path = tmp_path_factory.mktemp("large") / "sbtrace.duckdb"
    program = "/usr/lib/x86_64-linux-gnu/libexec/a-program-with-a-long-name"
    for run_id in (OLD, NEW):
        finished(path, a_record(run_id=run_id, executable=program, argv=(program, "x" * 60)))
    take_in(path)
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE runs SET wall_ns = 123456789012, outcome = 'interrupted'")
        connection.execute(
            "UPDATE syscalls SET abi = 'x86_64', name = 'rt_sigtimedwait', total_ns = 98765432101,"
            " max_ns = 9876543210, calls = if(run_id = ?, 12345, 1234567), blocked = 12345",
            [OLD],
        )
        connection.execute("UPDATE losses SET kind = 'untold_peak_contained', count = 12345")
    return path


@pytest.mark.parametrize("query", saved.all_queries(), ids=lambda query: query.name)
def test_a_saved_query_is_a_table_of_80_columns_and_json_has_all_it_found(
    large: Path, query: saved.SavedQuery
) -> None:
    """No block of lines a row; the columns that a table leaves out are in the other formats."""
    question, table = Question(query.name, {}), io.StringIO()
    with asking(large, question) as answer:
        columns = answer.columns
        shown = as_table(question, answer)
        write(shown.columns, shown.rows, "table", table, 80, shown.cut)
    lines = table.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert set(lines[1]) <= {"-", " "}  # under the titles
    assert {item.column for item in query.table} <= set(columns)


def test_changes_are_between_the_two_runs_that_are_named(database: Path) -> None:
    assert ask(database, "changes", before="last", after="last") == []
    assert ask(database, "changes", before=OLD[:4], after="last~1") == []


def test_a_syscall_is_new_until_the_executable_made_it(database: Path) -> None:
    assert len(ask(database, "new-syscalls", run=OLD)) == 2
    assert ask(database, "new-syscalls", run=NEW) == []


def test_parameters_are_bound_never_pasted(database: Path) -> None:
    hostile = "x'; DROP TABLE runs; --"
    assert ask(database, "SELECT $t AS t", t=hostile) == [(hostile,)]
    assert ask(database, "SELECT count(*) FROM runs") == [(2,)]


def test_a_run_is_given_as_last_or_a_prefix_in_ones_own_sql_too(database: Path) -> None:
    assert ask(database, "SELECT $run, $run_b", run="last", run_b="aa") == [(NEW, OLD)]
    with pytest.raises(RunNotFound):
        ask(database, "SELECT $run", run="cc")


def test_an_instant_comes_as_a_datetime_in_utc(database: Path) -> None:
    rows = ask(database, "SELECT started_at FROM runs ORDER BY started_at LIMIT 1 -- first")
    assert rows == [(datetime(2026, 1, 2, tzinfo=UTC),)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/shadow')",
        "SELECT * FROM '/etc/passwd.csv'",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_json('/proc/self/environ')",
        "SELECT * FROM parquet_metadata('/etc/passwd')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "COPY runs TO '/tmp/sbtrace-test-copy.csv'",
        "EXPORT DATABASE '/tmp/sbtrace-test-export'",
        "ATTACH '/tmp/sbtrace-test-attach.duckdb' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "PRAGMA database_list",
        "SET threads = 1",
        "RESET threads",
        "CALL enable_logging()",
        "CHECKPOINT",
        "BEGIN",
        "DELETE FROM runs",
        "INSERT INTO runs SELECT * FROM runs",
        "CREATE TEMP TABLE t AS SELECT 1",
        "DROP VIEW syscall_totals",
        "PREPARE v AS SELECT 1",
        "CREATE SECRET (TYPE s3)",
        "UPDATE EXTENSIONS",
        "EXPLAIN ANALYZE COPY runs TO '/tmp/sbtrace-test-copy.csv'",
    ],
)
def test_what_does_not_only_read_the_database_is_refused(database: Path, sql: str) -> None:
    with pytest.raises(QueryError, match="refused: a query only reads") as caught:
        ask(database, sql)
    assert "\n" not in str(caught.value)
    assert not list(Path("/tmp").glob("sbtrace-test-*t*.*db"))
    assert not Path("/tmp/sbtrace-test-copy.csv").exists()


def test_a_mistake_in_a_query_is_not_called_refused(database: Path) -> None:
    with pytest.raises(QueryError, match="no_such_column") as caught:
        ask(database, "SELECT no_such_column FROM runs")
    assert "refused" not in str(caught.value)


def test_sql_does_not_see_python_variables(database: Path) -> None:
    runs_of_mine = duckdb.connect().sql("SELECT 1")
    assert runs_of_mine is not None
    with pytest.raises(QueryError, match="runs_of_mine does not exist"):
        ask(database, "SELECT * FROM runs_of_mine")


@pytest.mark.parametrize(
    ("text", "given_", "message"),
    [
        ("SELECT 1; SELECT 2", {}, "2 statements: give exactly one"),
        ("SELECT $x", {}, "parameter x is missing"),
        ("SELECT $x", {"x": "1", "y": "2"}, "--param y: the query has no such parameter"),
        ("top-sycalls", {}, "did you mean 'top-syscalls'"),
        ("../secret", {}, "syntax error"),
        ("top-syscalls", {"limit": "many"}, "is not an integer"),
        ("SELECT nope FROM runs", {}, 'column "nope"'),
        ("SELECT error('a' || chr(10) || 'b')", {}, "a | b"),
        ("", {}, "0 statements"),
    ],
)
def test_a_wrong_question_gets_one_line(
    database: Path, text: str, given_: dict[str, str], message: str
) -> None:
    with pytest.raises(QueryError) as caught:
        ask(database, text, **given_)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_query_ends_at_its_timeout(database: Path) -> None:
    question = Question("SELECT count(*) FROM range(1000000000000) WHERE range <> 3", {}, 0.2)
    with (
        pytest.raises(QueryError, match=r"stopped after 0\.2 s"),
        asking(database, question) as got,
    ):
        list(got.rows)


def test_a_query_stays_within_its_memory(database: Path) -> None:
    sql = "SELECT range AS r, repeat('x', 200) AS s FROM range(3000000) ORDER BY s, r DESC"
    with (
        pytest.raises(QueryError, match="more memory than allowed"),
        asking(database, Question(sql, {}, None, "20MB")) as got,
    ):
        list(got.rows)


ONE_EXPRESSION = (
    "SELECT list_sum(list_transform(range(200000), lambda x: x % 7)) FROM range(1000000)"
)
"""Of each vector of it DuckDB makes 400 million numbers before it looks at anything."""


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT list_sum(range(400000000))",
        "SELECT length(repeat('abc', 1000000000))",
        "SELECT list_sort(list_reverse(range(100000000)))[1]",
        "SELECT range(50000000)",  # ten times as large in Python as in DuckDB
    ],
)
def test_one_expression_stays_within_the_memory_too(database: Path, sql: str) -> None:
    with pytest.raises(QueryError, match="more memory"), asking_for(database, sql, "200MB") as got:
        list(got.rows)


def test_one_expression_ends_at_its_timeout_with_124(database: Path) -> None:
    question = Question(ONE_EXPRESSION, {}, 0.3, "64GB")
    with (
        pytest.raises(QueryTimedOut, match=r"stopped after 0\.3 s: raise --timeout") as caught,
        asking(database, question) as got,
    ):
        list(got.rows)
    assert caught.value.exit_status == 124


def test_a_query_ends_with_the_block_that_asked(database: Path) -> None:
    with asking_for(database, "FROM range(1000000000000)") as got:
        assert next(got.rows) == (0,)
        assert len(_children(os.getpid())) == 1
    assert _children(os.getpid()) == []


@pytest.mark.parametrize("style", ["table", "csv", "json", "jsonl", "markdown"])
def test_a_result_of_any_length_is_written_as_it_comes(style: RowFormat) -> None:
    given_, written = 0, 0
    furthest = 0

    def rows() -> Iterator[tuple[int]]:
        nonlocal given_, furthest
        for given_ in range(N_ROWS):
            furthest = max(furthest, given_ - written)
            yield (given_,)

    class Counting(io.StringIO):
        def write(self, text: str) -> int:
            nonlocal written
            written += text.count("\n")
            return len(text)

    write(("n",), rows(), style, Counting())
    assert given_ == N_ROWS - 1
    assert written >= N_ROWS
    assert furthest <= N_HELD


N_ROWS, N_HELD = 5000, 1000


def asking_for(database: Path, sql: str, memory: str = "1GB") -> AbstractContextManager[Answer]:
    return asking(database, Question(sql, {}, None, memory))


@pytest.mark.parametrize("seconds", [float("inf"), float("nan"), -1.0, 0.0, 1e300])
def test_a_timeout_that_is_none_is_a_wrong_command_line(database: Path, seconds: float) -> None:
    with pytest.raises(UsageError, match="--timeout"), asking(database, Question("x", {}, seconds)):
        pass


@pytest.mark.parametrize("memory", ["", "0", "-1", "50%", "1", "inf", "1e9", "many"])
def test_a_memory_that_is_no_size_is_a_wrong_command_line(database: Path, memory: str) -> None:
    with pytest.raises(UsageError, match="--memory"), asking_for(database, "SELECT 1", memory):
        pass


@pytest.mark.parametrize("memory", ["1MB", "1.5 GiB", "20mb", "999999TB"])
def test_a_memory_is_enough_or_said_to_be_too_little(database: Path, memory: str) -> None:
    try:
        with asking_for(database, "SELECT 1", memory) as got:
            assert list(got.rows) == [(1,)]
    except QueryError as error:
        assert "--memory" in str(error)  # noqa: PT017 - either is right


def test_an_instant_that_python_has_no_value_for_comes_as_text(database: Path) -> None:
    sql = "SELECT '290000-01-31 01:02:03+00'::TIMESTAMPTZ, '-infinity'::TIMESTAMPTZ"
    assert ask(database, sql) == [("290000-01-31T01:02:03.000000Z", "-infinity")]


def test_parquet_leaves_only_through_our_own_hands(database: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.parquet"
    question = Question(
        "SELECT run_id, started_at, tags FROM runs WHERE run_id = $run", {"run": NEW}
    )
    to_parquet(database, question, Destination.open(file, database))
    with duckdb.connect() as connection:
        got = connection.execute("SELECT run_id, tags FROM read_parquet(?)", [str(file)]).fetchall()
    assert got == [(NEW, {"k": "v"})]


def test_the_formats_carry_the_same_rows() -> None:
    columns = ("n", "n", "text", "none", "list")
    rows = [(1, 2, 'a,"\u2028', None, ["x", None])]
    out: dict[str, io.StringIO] = {}
    for style in ("csv", "json", "jsonl", "markdown", "table"):
        write(columns, rows, style, out.setdefault(style, io.StringIO()))  # type: ignore[arg-type]
    plain = {"n": 1, "n_2": 2, "text": 'a,"\u2028', "none": None, "list": ["x", None]}
    assert json.loads(out["json"].getvalue()) == [plain]
    assert json.loads(out["jsonl"].getvalue()) == plain
    parsed = list(csv.reader(io.StringIO(out["csv"].getvalue())))
    assert parsed == [[*columns], ["1", "2", 'a,"\u2028', "", '["x", null]']]
    assert '| 1 | 2 | a,"\\u2028 | NULL | ["x", null] |' in out["markdown"].getvalue()


def test_no_rows_are_still_a_json_list() -> None:
    out = io.StringIO()
    write(("a",), [], "json", out)
    assert json.loads(out.getvalue()) == []


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(st.characters(codec=None)), st.text(st.characters(codec=None), max_size=20))
def test_no_question_and_no_parameter_gives_a_traceback(
    database: Path, text: str, value: str
) -> None:
    for question in (Question(text, {}), Question("SELECT $x", {"x": value})):
        try:
            with asking(database, question) as answer:
                list(answer.rows)
        except SbtraceError as error:
            shown = str(error)
        else:
            shown = ""
        assert "Traceback" not in shown


def test_runs_are_filtered(database: Path) -> None:
    def ids(**wanted: object) -> list[str]:
        return [row[0] for row in list_runs(database, Filter(**wanted)).rows]  # type: ignore[arg-type]

    assert ids() == [NEW, OLD]
    assert ids(limit=1) == [NEW]
    assert ids(profile="learning") == [OLD]
    assert ids(outcome="blocked") == []
    assert ids(command="/bin/l") == [NEW, OLD]
    assert ids(tags={"k": "v"}) == [NEW]
    assert ids(since=datetime(2026, 1, 3, tzinfo=UTC)) == [NEW]


def test_a_run_that_goes_on_is_listed_as_running_and_not_disturbed(tmp_path: Path) -> None:
    path = tmp_path / "sbtrace.duckdb"
    record = a_record(started_at=datetime.now(UTC), profile="STRICT")
    spool = Spool.create(path, record.run)
    (row,) = list_runs(path, Filter(outcome="running", profile="strict")).rows
    assert (row[0], row[3], row[4], row[5] >= 0) == (record.run.run_id, "running", None, True)
    assert list_runs(path, Filter(limit=1)).rows[0][0] == record.run.run_id
    for other in (Filter(profile="LEARNING", limit=1), Filter(tags={"no": "tag"})):
        with pytest.raises(StoreError, match="no database there yet"):
            list_runs(path, other)
    spool.finish(record)
    take_in(path)
    assert [row[3] for row in list_runs(path, Filter()).rows] == [record.run.outcome]


def test_a_run_that_waits_is_listed_beside_the_first_run_that_goes_on(tmp_path: Path) -> None:
    """There is no database yet; what has ended is taken in, and what goes on is left alone."""
    path = tmp_path / "sbtrace.duckdb"
    going, ended = a_record(run_id=NEW), a_record(run_id=OLD)
    spool = Spool.create(path, going.run)
    Spool.create(path, ended.run).finish(ended)
    found = {row[0]: row[3] for row in list_runs(path, Filter()).rows}
    assert found == {NEW: "running", OLD: ended.run.outcome}
    spool.finish(going)


def test_since_is_an_age_or_an_instant() -> None:
    now = datetime(2026, 1, 31, tzinfo=UTC)
    assert parse_since("2h", now) == now - timedelta(hours=2)
    assert parse_since("2026-01-01T00:00:00+00:00") == datetime(2026, 1, 1, tzinfo=UTC)
    assert parse_age("4w") == timedelta(weeks=4)
    for wrong in ("yesterday", "", "999999w", "2026-13-01"):
        with pytest.raises(UsageError):
            parse_since(wrong, now)


def test_pairs_without_a_value_are_refused() -> None:
    assert parse_params(["a=b=c"]) == {"a": "b=c"}
    for wrong in ("a", "=b", "a b=c"):
        with pytest.raises(UsageError):
            parse_params([wrong])
    with pytest.raises(UsageError):
        parse_tags(["a"])


CLI = """
import sys, typer
from importlib import import_module
app = typer.Typer()
app.callback()(lambda: None)
import_module(f"tracer.cli.{sys.argv[1]}").register(app)
app()
"""


def cli(database: Path, *words: str, verb: str = "query") -> list[str]:
    return [sys.executable, "-c", CLI, verb, "--db", str(database), *words]


def test_ctrl_c_ends_a_query_with_130(database: Path) -> None:
    process = subprocess.Popen(
        cli(database, "SELECT count(*) FROM range(1000000000000) WHERE range <> 3"),
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 60
    while not any(_cpu_ticks(child) >= 100 for child in _children(process.pid)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, b"Traceback" in errors) == (130, False)


def _children(pid: int) -> list[int]:
    try:
        return [int(x) for x in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _cpu_ticks(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])


def test_a_reader_that_goes_away_is_no_error(database: Path) -> None:
    with subprocess.Popen(
        cli(database, "SELECT * FROM range(3000000)", "-f", "csv"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"range\n"
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, as sudo gives it")
@pytest.mark.usefixtures("reach")
@pytest.mark.parametrize("words", [("query", "SELECT 1"), ("runs",), ("show",), ("why",)])
def test_under_sudo_a_question_has_the_rights_of_the_invoking_user(
    public_folder: Path, words: tuple[str, ...]
) -> None:
    secret = public_folder / "roots-own.duckdb"
    finished(secret, a_record())
    take_in(secret)
    env = {**os.environ, "SUDO_UID": "4321", "SUDO_GID": "4321"}
    done = subprocess.run(
        cli(secret, *words[1:], verb=words[0]), env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "Permission denied" in done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, as sudo gives it")
@pytest.mark.usefixtures("reach")
@pytest.mark.parametrize("words", [("query", "SELECT 1"), ("runs",), ("show",), ("why",)])
def test_under_sudo_root_is_given_up_for_good_before_an_answer(
    public_folder: Path, words: tuple[str, ...]
) -> None:
    """What answers is no longer root, and cannot become it again."""
    place = public_folder / f"theirs-{words[0]}"
    place.mkdir()
    finished(place / "sbtrace.duckdb", a_record())
    take_in(place / "sbtrace.duckdb")
    for path in (place, *place.rglob("*")):
        os.chown(path, 4321, 4321)
    env = {**os.environ, "SUDO_UID": "4321", "SUDO_GID": "4321"}
    at_end = "import atexit, os; atexit.register(lambda: print('uids', *os.getresuid()))\n"
    python, _, script, *rest = cli(place / "sbtrace.duckdb", *words[1:], verb=words[0])
    done = subprocess.run(
        [python, "-c", at_end + script, *rest], env=env, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("uids 4321 4321 4321\n")


@pytest.mark.parametrize("verb", ["show", "why"])
def test_a_report_of_one_run_says_which_others_wait(tmp_path: Path, verb: str) -> None:
    path = tmp_path / "sbtrace.duckdb"
    finished(path, a_record())
    take_in(path)
    finished(path, a_record())
    with duckdb.connect(str(path), read_only=True):  # whoever reads keeps writers out
        done = subprocess.run(cli(path, verb=verb), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 run waits in " in done.stderr


def test_an_outcome_that_no_run_can_have_is_a_wrong_command_line() -> None:
    for verb, option in (("runs", "--outcome"), ("show", "--by"), ("query", "--format")):
        done = subprocess.run(
            [Path(sys.executable).parent / "sbtrace", verb, option, "foo"],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, "foo" in done.stderr) == (2, True)
