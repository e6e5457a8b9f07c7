"""Where profiles are found, and which files are not taken for one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tracer.errors import ProfileError
from tracer.profile import available, load

TEXT = 'default_action = "allow"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own folder of profiles."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("SUDO_UID", raising=False)
    (tmp_path / "sbtrace/profiles").mkdir(parents=True)
    return tmp_path / "sbtrace/profiles"


def refused(name: str) -> str:
    with pytest.raises(ProfileError) as caught:
        load(name)
    return str(caught.value)


@pytest.mark.parametrize("name", ["STRICT", "strict", "Resource-Aware", "learning"])
def test_a_shipped_profile_is_found_whatever_the_case(name: str) -> None:
    """Its name is that of its file."""
    assert load(name).name == name.upper()


def test_the_users_profiles_come_after_the_shipped_ones(folder: Path) -> None:
    """Nothing in a user's folder can stand in for STRICT."""
    (folder / "mine.toml").write_text(TEXT)
    (folder / "strict.toml").write_text(TEXT)
    (folder / "broken.toml").write_text("x")
    assert load("MINE").path == str(folder / "mine.toml")
    assert str(load("strict").default_action) == "kill_process"
    found = {entry.name: entry for entry in available()}
    assert (found["mine"].origin, found["STRICT"].origin) == ("user", "shipped")
    assert found["broken"].description is None
    assert "broken.toml: not valid TOML" in str(found["broken"].error)


def test_a_file_is_given_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slash or .toml makes a path; a bare name of a file is pointed to."""
    monkeypatch.chdir(tmp_path)
    Path("net.toml").write_text(TEXT)
    Path("net").write_text(TEXT)
    assert load("net.toml").path == "net.toml"
    assert load("./net").name == "net"
    assert refused("net") == 'profile "net": a file is given by its path: ./net'


def test_a_name_that_is_nowhere_is_refused_with_what_there_is(folder: Path) -> None:
    """With the nearest name, or all of them."""
    assert refused("strct") == 'profile "strct": not found (did you mean "STRICT"?)'
    assert "there are BUILD, DOCKER-DEFAULT, INTERPRETER, LEARNING" in refused("zzzzzz")
    for hostile in ("a\nb", "a\0b", "a" * 5000, "\udcff", ""):
        assert "not found" in refused(hostile)
        assert refused(hostile).isprintable()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff", ":1: not UTF-8"),
        (b"#" * (1 << 20) + b"#", "larger than 1 MiB"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_that_is_no_profile_is_refused(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    """Bytes, size and absence each have their line."""
    path = tmp_path / "a.toml"
    if content is not None:
        path.write_bytes(content)
    assert message in refused(str(path))


def test_a_folder_a_fifo_and_a_nul_are_refused_at_once(tmp_path: Path) -> None:
    """None of them makes sbtrace wait or fail otherwise."""
    os.mkfifo(tmp_path / "fifo.toml")
    assert "must be a plain file" in refused(str(tmp_path / "fifo.toml"))
    assert "must be a plain file" in refused(str(tmp_path))
    assert "NUL" in refused("a\0b.toml")


def test_by_name_no_link_is_followed_and_nobody_elses_file_is_read(folder: Path) -> None:
    """What root reads for a user is that user's own, and a plain file."""
    (folder / "link.toml").symlink_to("/etc/hostname")
    assert "cannot be read" in refused("link")
    (folder / "open.toml").write_text(TEXT)
    (folder / "open.toml").chmod(0o666)
    assert "anybody can write it" in refused("open")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_a_third_user_is_refused(folder: Path) -> None:
    """Only its reader and root can have put a profile there."""
    (folder / "other.toml").write_text(TEXT)
    os.chown(folder / "other.toml", 12345, 0)
    assert "belongs to uid 12345" in refused("other")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can have come by sudo")
def test_under_sudo_the_home_of_who_asked_is_read_with_their_rights(
    folder: Path, public_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """XDG_CONFIG_HOME is root's there, and what the user cannot read is not read for them."""
    (folder / "roots.toml").write_text(TEXT)
    home = public_folder / "home"
    own = home / ".config/sbtrace/profiles"
    own.mkdir(parents=True)
    (own / "own.toml").write_text(TEXT)
    (own / "secret.toml").write_text(TEXT)
    (own / "secret.toml").chmod(0o600)
    monkeypatch.setenv("SUDO_UID", "65534")
    monkeypatch.setenv("SUDO_GID", "65534")
    monkeypatch.setattr("tracer.profile.locate.home_of", lambda user: home if user.uid else None)
    assert "not found" in refused("roots")
    assert load("own").path == str(own / "own.toml")
    assert refused("secret").endswith("cannot be read: Permission denied")
