# SPDX-License-Identifier: GPL-2.0-or-later
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdumpd.config import (
    Assignment,
    ConfigError,
    Configuration,
    Settings,
    parse_assignments,
    read_configuration,
)

MAIN = "etc/kdumpd/kdumpd.conf"
DROP_INS = "etc/kdumpd/kdumpd.conf.d"


def write(root: Path, name: str, *lines: str) -> Path:
    """Write a file of these lines below [Manager]."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in ("[Manager]", *lines)))
    return path


def configured(root: Path, *lines: str) -> Settings:
    """Return the settings of a file of these lines, which has no problem."""
    configuration = read_configuration(root, write(root, MAIN, *lines))
    assert configuration.problems == ()
    return configuration.settings


def test_nothing_configured(tmp_path: Path) -> None:
    assert read_configuration(tmp_path, None) == Configuration(Settings(), ())
    assert Settings().directories == (b"/var/crash", b"/var/lib/systemd/pstore")
    assert Settings().settle_seconds == 30


def test_all_configured(tmp_path: Path) -> None:
    settings = configured(tmp_path, "CrashDirectories=/srv/crash /mnt", "SettleSec=5s")
    assert settings == Settings(crash_directories=(b"/srv/crash", b"/mnt"), settle_seconds=5)
    assert settings.directories == (b"/srv/crash", b"/mnt")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30", 30),
        ("30s", 30),
        ("30 s", 30),
        ("30sec", 30),
        ("2min", 120),
        ("1.5 min", 90),
        ("500ms", 0.5),
        ("0.25", 0.25),
        ("10min", 600),
        ("1min 30s", 90),
        ("5 minutes", 300),
    ],
)
def test_settle(tmp_path: Path, value: str, seconds: float) -> None:
    assert configured(tmp_path, f"SettleSec={value}").settle_seconds == seconds


@pytest.mark.parametrize(
    ("value", "paths"),
    [
        ("/var/crash", [b"/var/crash"]),
        ("/var/crash/", [b"/var/crash"]),
        ("/", [b"/"]),
        ("/a /b", [b"/a", b"/b"]),
        ("/a   /b\t/c", [b"/a", b"/b", b"/c"]),
        ("/b /a /b", [b"/b", b"/a"]),
        ("/a/./b //a//b", [b"/a/b"]),
        ("'/with a blank' \"/and another\"", [b"/with a blank", b"/and another"]),
        (r"/with\ a\ blank", [b"/with a blank"]),
        ("/Größe", ["/Größe".encode()]),
        ("/a#b", [b"/a#b"]),
        ("/a..b /...", [b"/a..b", b"/..."]),
    ],
)
def test_crash_directories(tmp_path: Path, value: str, paths: list[bytes]) -> None:
    assert configured(tmp_path, f"CrashDirectories={value}").directories == tuple(paths)


def test_a_list_appends(tmp_path: Path) -> None:
    settings = configured(
        tmp_path, "CrashDirectories=/a", "CrashDirectories=/b /a", "CrashDirectories=/c"
    )
    assert settings.directories == (b"/a", b"/b", b"/c")


def test_an_empty_value_resets_a_list(tmp_path: Path) -> None:
    lines = "CrashDirectories=/a", "CrashDirectories=", "CrashDirectories=/b"
    assert configured(tmp_path, *lines).directories == (b"/b",)
    assert configured(tmp_path, *lines[:2]).directories == Settings().directories


def test_the_last_of_two_values_counts(tmp_path: Path) -> None:
    assert configured(tmp_path, "SettleSec=5", "SettleSec=6").settle_seconds == 6


def test_comments_and_blanks(tmp_path: Path) -> None:
    settings = configured(
        tmp_path,
        "",
        "# SettleSec=1",
        "; SettleSec=2",
        "   # SettleSec=3",
        "  SettleSec  =  4  ",
        "\t",
        "[Manager]",
    )
    assert settings.settle_seconds == 4


def test_lines_end_where_an_editor_ends_them(tmp_path: Path) -> None:
    """Not at a form feed in a comment, which would make its rest an assignment."""
    configuration = read_configuration(
        tmp_path, write(tmp_path, MAIN, "# page \fSettleSec=5", "# \u2028SettleSec=6", "Wrong=1")
    )
    assert configuration.settings == Settings()
    (problem,) = configuration.problems
    assert f"{MAIN}:4: " in problem


@pytest.mark.parametrize(
    "line",
    [
        "SettleSec",
        "SettleSec 5",
        "SettleSec=",
        "SettleSec=0",
        "SettleSec=0ms",
        "SettleSec=-5",
        "SettleSec=soon",
        "SettleSec=1h",
        "SettleSec=1e3",
        "SettleSec=inf",
        "SettleSec=nan",
        "SettleSec=5 # seconds",
        "SettleSec=1234567",
        "SettleSec=601",
        "SettleSec=11min",
        "SettleSec=999999",
        "settlesec=5",
        "SettleSeconds=5",
        "CrashDirectories=crash",
        "CrashDirectories=/a crash",
        "CrashDirectories=/a/../b",
        "CrashDirectories=/..",
        "CrashDirectories='/a",
        "CrashDirectories=/a\0b",
        "CrashDirectories=''",
        "=5",
        "[Manager",
        "nonsense",
    ],
)
def test_a_wrong_line(tmp_path: Path, line: str) -> None:
    """It is named by file and line; the default stands, and the other lines count."""
    path = write(tmp_path, MAIN, "# a comment", line)
    configuration = read_configuration(tmp_path, path)
    (problem,) = configuration.problems
    assert problem.startswith(f"{path}:3: ")
    assert configuration.settings == Settings()
    path = write(tmp_path, MAIN, "CrashDirectories=/x", line, "SettleSec=7")
    configuration = read_configuration(tmp_path, path)
    assert configuration.settings == Settings(crash_directories=(b"/x",), settle_seconds=7)
    assert [problem.startswith(f"{path}:3: ") for problem in configuration.problems] == [True]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Color=blue", "unknown key 'Color' in section [Manager]"),
        ("SettleSec=soon", "SettleSec=soon: no time span such as 30, 30s or 2min"),
        ("SettleSec=0", "SettleSec=0: must be more than 0"),
        ("SettleSec=0min", "SettleSec=0min: must be more than 0"),
        ("CrashDirectories=crash", "'crash' is no absolute path without '..'"),
        ("CrashDirectories='/a", "No closing quotation"),
        ("nonsense", "'nonsense' is neither [SECTION] nor KEY=VALUE"),
    ],
)
def test_what_is_said(tmp_path: Path, line: str, said: str) -> None:
    (problem,) = read_configuration(tmp_path, write(tmp_path, MAIN, line)).problems
    assert said in problem


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("", "'SettleSec=' stands before any section"),
        ("[Daemon]\n", "unknown key 'SettleSec' in section [Daemon]"),
        ("[manager]\n", "unknown key 'SettleSec' in section [manager]"),
        ("[Manager ]\n", "unknown key 'SettleSec' in section [Manager ]"),
    ],
)
def test_a_key_of_another_section(tmp_path: Path, section: str, said: str) -> None:
    path = tmp_path / "kdumpd.conf"
    path.write_text(f"{section}SettleSec=5\n")
    configuration = read_configuration(tmp_path, path)
    assert configuration.settings == Settings()
    (problem,) = configuration.problems
    assert said in problem


def test_all_problems_are_told(tmp_path: Path) -> None:
    write(tmp_path, MAIN, "A=1", "B=2")
    write(tmp_path, f"{DROP_INS}/10.conf", "C=3")
    problems = read_configuration(tmp_path, None).problems
    assert [problem.partition(" ")[0] for problem in problems] == [
        f"{tmp_path / MAIN}:2:",
        f"{tmp_path / MAIN}:3:",
        f"{tmp_path / DROP_INS}/10.conf:2:",
    ]


# What concerns the crash test


def crash_test(root: Path, *lines: str) -> Configuration:
    """Return what a file of these lines below [CrashTest] makes."""
    path = root / "kdumpd.conf"
    path.write_text("".join(f"{line}\n" for line in ("[CrashTest]", *lines)))
    return read_configuration(root, path)


def test_no_crash_test_is_allowed_unless_it_is_said() -> None:
    assert not Settings().crash_test
    assert Settings().countdown_seconds == 10


@pytest.mark.parametrize("value", ["yes", "true", "1", "on", "Yes", "TRUE"])
def test_a_crash_test_is_allowed(tmp_path: Path, value: str) -> None:
    assert crash_test(tmp_path, f"Enabled={value}") == Configuration(Settings(crash_test=True), ())


@pytest.mark.parametrize("value", ["no", "false", "0", "off", "NO"])
def test_a_crash_test_is_forbidden(tmp_path: Path, value: str) -> None:
    assert crash_test(tmp_path, "Enabled=yes", f"Enabled={value}") == Configuration(Settings(), ())


@pytest.mark.parametrize("value", ["", "y", "2", "yess", "yes # of course", "enable"])
def test_what_is_neither_yes_nor_no_allows_no_crash_test(tmp_path: Path, value: str) -> None:
    configuration = crash_test(tmp_path, "Enabled=yes", f"Enabled={value}")
    assert configuration.settings == Settings()
    (problem,) = configuration.problems
    assert problem.startswith(f"{tmp_path / 'kdumpd.conf'}:3: ")
    assert "neither yes nor no" in problem


@pytest.mark.parametrize(("value", "seconds"), [("3", 3), ("30s", 30), ("1min", 60)])
def test_countdown(tmp_path: Path, value: str, seconds: float) -> None:
    assert crash_test(tmp_path, f"CountdownSec={value}") == Configuration(
        Settings(countdown_seconds=seconds), ()
    )


@pytest.mark.parametrize("value", ["0", "2.999", "2s", "61", "2min", "soon", "", "-5"])
def test_a_countdown_that_nobody_could_stop_or_wait_for(tmp_path: Path, value: str) -> None:
    configuration = crash_test(tmp_path, f"CountdownSec={value}", "Enabled=yes")
    assert configuration.settings == Settings(crash_test=True)
    (problem,) = configuration.problems
    assert problem.startswith(f"{tmp_path / 'kdumpd.conf'}:2: CountdownSec={value}: ")


def test_the_keys_of_a_crash_test_stand_in_their_section(tmp_path: Path) -> None:
    configuration = read_configuration(tmp_path, write(tmp_path, MAIN, "Enabled=yes"))
    assert not configuration.settings.crash_test
    assert "unknown key 'Enabled' in section [Manager]" in configuration.problems[0]


# Which files count


def test_the_first_main_file_counts(tmp_path: Path) -> None:
    for number, directory in enumerate(("usr/lib/kdumpd", "run/kdumpd", "etc/kdumpd"), 1):
        write(tmp_path, f"{directory}/kdumpd.conf", f"SettleSec={number}")
        assert read_configuration(tmp_path, None).settings.settle_seconds == number


def test_a_drop_in_comes_after_the_main_file(tmp_path: Path) -> None:
    write(tmp_path, MAIN, "SettleSec=1", "CrashDirectories=/a")
    write(tmp_path, "usr/lib/kdumpd/kdumpd.conf.d/10.conf", "SettleSec=2", "CrashDirectories=/b")
    settings = read_configuration(tmp_path, None).settings
    assert settings == Settings(crash_directories=(b"/a", b"/b"), settle_seconds=2)


def test_drop_ins_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    """Wherever they lie."""
    write(tmp_path, "usr/lib/kdumpd/kdumpd.conf.d/30.conf", "CrashDirectories=/3")
    write(tmp_path, "run/kdumpd/kdumpd.conf.d/20.conf", "CrashDirectories=/2")
    write(tmp_path, "etc/kdumpd/kdumpd.conf.d/40.conf", "CrashDirectories=/4")
    write(tmp_path, "etc/kdumpd/kdumpd.conf.d/10.conf", "CrashDirectories=/1")
    settings = read_configuration(tmp_path, None).settings
    assert settings.directories == (b"/1", b"/2", b"/3", b"/4")


def test_a_drop_in_hides_its_namesakes(tmp_path: Path) -> None:
    for number, directory in enumerate(("usr/lib/kdumpd", "run/kdumpd", "etc/kdumpd"), 1):
        write(tmp_path, f"{directory}/kdumpd.conf.d/10.conf", f"CrashDirectories=/{number}")
        settings = read_configuration(tmp_path, None).settings
        assert settings.directories == (b"/%d" % number,)


def test_a_drop_in_masked(tmp_path: Path) -> None:
    """As systemd's: a link to /dev/null."""
    write(tmp_path, "usr/lib/kdumpd/kdumpd.conf.d/10.conf", "SettleSec=5")
    (tmp_path / DROP_INS).mkdir(parents=True)
    (tmp_path / DROP_INS / "10.conf").symlink_to("/dev/null")
    assert read_configuration(tmp_path, None) == Configuration(Settings(), ())


def test_other_files_do_not_count(tmp_path: Path) -> None:
    for name in ("10.conf~", "10.conf.dpkg-old", "README", ".10.conf.swp"):
        write(tmp_path, f"{DROP_INS}/{name}", "SettleSec=5")
    assert read_configuration(tmp_path, None) == Configuration(Settings(), ())


def test_a_file_that_is_named_counts_alone(tmp_path: Path) -> None:
    write(tmp_path, MAIN, "CrashDirectories=/a")
    write(tmp_path, f"{DROP_INS}/10.conf", "CrashDirectories=/b")
    path = write(tmp_path, "mine.conf", "SettleSec=5")
    assert read_configuration(tmp_path, path).settings == Settings(settle_seconds=5)


# Files that cannot be read


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "nothing.conf"
    configuration = read_configuration(tmp_path, path)
    assert configuration == Configuration(Settings(), (f"{path}: No such file or directory",))


def test_a_directory_in_its_place(tmp_path: Path) -> None:
    path = tmp_path / DROP_INS / "10.conf"
    path.mkdir(parents=True)
    write(tmp_path, f"{DROP_INS}/20.conf", "SettleSec=5")
    configuration = read_configuration(tmp_path, None)
    assert configuration.problems == (f"{path}: Is a directory",)
    assert configuration.settings.settle_seconds == 5


def test_a_file_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "kdumpd.conf"
    path.write_bytes(b"[Manager]\nSettleSec=5\n# \xff\n")
    configuration = read_configuration(tmp_path, path)
    assert configuration.settings == Settings()
    (problem,) = configuration.problems
    assert problem.startswith(f"{path}: not UTF-8")


def test_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "kdumpd.conf"
    path.write_bytes(b"[Manager]\r\nSettleSec=5\r\n")
    assert read_configuration(tmp_path, path) == Configuration(Settings(settle_seconds=5), ())


@given(text=st.text())
@settings(deadline=None)
def test_any_text(text: str) -> None:
    for line in parse_assignments(text, "name"):
        where = line.where if isinstance(line, Assignment) else str(line)
        assert where.startswith("name:")


@given(content=st.binary() | st.text().map(str.encode))
@settings(deadline=None)
def test_any_file(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.conf"
    path.write_bytes(b"[Manager]\n" + content)
    for problem in read_configuration(Path("/"), path).problems:
        assert problem.startswith(f"{path}:")


@given(value=st.text(st.characters(codec="utf-8", exclude_characters="\n\r")))
@settings(deadline=None)
def test_any_value(tmp_path_factory: pytest.TempPathFactory, value: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any-value.conf"
    path.write_text(f"[Manager]\nCrashDirectories={value}\nSettleSec={value}\n", newline="")
    configuration = read_configuration(Path("/"), path)
    for directory in configuration.settings.directories:
        assert directory.startswith(b"/")
        assert b"\0" not in directory
    assert configuration.settings.settle_seconds > 0


def test_errors_are_values() -> None:
    (error,) = parse_assignments("nonsense", "name")
    assert isinstance(error, ConfigError)


@pytest.mark.parametrize(
    ("value", "file"),
    [
        ("/var/lib/prometheus/node-exporter/kdumpd.prom", True),
        ("/srv/a file.prom", True),
        ("", False),
    ],
)
def test_a_file_of_metrics(tmp_path: Path, value: str, *, file: bool) -> None:
    settings = configured(tmp_path, "[Metrics]", "TextFile=/a.prom", f"TextFile={value}")
    assert settings.metrics_file == (Path(value) if file else None)
    assert Settings().metrics_file is None


@pytest.mark.parametrize(
    "value",
    ["kdumpd.prom", "/a/../b.prom", "/a/kdumpd.txt", "/a/.prom", "/etc/passwd", "/a\0.prom"],
)
def test_no_file_of_metrics(tmp_path: Path, value: str) -> None:
    path = write(tmp_path, MAIN, "[Metrics]", f"TextFile={value}")
    configuration = read_configuration(tmp_path, path)
    (problem,) = configuration.problems
    assert problem.startswith(f"{path}:3: TextFile={value}: no absolute path")
    assert configuration.settings == Settings()


@pytest.mark.parametrize("directory", ["", "CrashDirectories=/var/crash"])
def test_no_file_of_metrics_in_a_crash_directory(tmp_path: Path, directory: str) -> None:
    """Whichever of the two is said first."""
    path = write(tmp_path, MAIN, "[Metrics]", "TextFile=/var/crash/a.prom", "[Manager]", directory)
    configuration = read_configuration(tmp_path, path)
    assert configuration.settings.metrics_file is None
    (problem,) = configuration.problems
    assert "it lies in a crash directory" in problem


def test_a_directory_of_somebody_else_is_not_read(tmp_path: Path) -> None:
    """Such as the daemon's own runtime directory, by which it could allow itself a crash."""
    write(tmp_path, "run/kdumpd/kdumpd.conf", "[CrashTest]\nEnabled=yes")
    (tmp_path / "run/kdumpd").chmod(0o775)
    assert not read_configuration(tmp_path, None).settings.crash_test
    (tmp_path / "run/kdumpd").chmod(0o755)
    assert read_configuration(tmp_path, None).settings.crash_test


def test_a_pipe_in_place_of_a_file_holds_nobody_up(tmp_path: Path) -> None:
    directory = tmp_path / "etc/kdumpd/kdumpd.conf.d"
    directory.mkdir(parents=True)
    os.mkfifo(directory / "10.conf")
    (problem,) = read_configuration(tmp_path, None).problems
    assert problem.endswith("10.conf: is no file")


def test_no_more_crash_directories_than_can_be_watched(tmp_path: Path) -> None:
    names = [f"/srv/{number}" for number in range(65)]
    fits = configured(tmp_path, f"CrashDirectories={' '.join(names[:64])}")
    assert len(fits.crash_directories) == 64
    first = "CrashDirectories=/first"
    for more in (" ".join(names), " ".join(f"/d{number}" for number in range(100_000))):
        path = write(tmp_path, MAIN, first, f"CrashDirectories={more}", "SettleSec=5s")
        configuration = read_configuration(tmp_path, path)
        (problem,) = configuration.problems
        assert problem.startswith(f"{path}:3: CrashDirectories=/")
        assert len(problem) < len(str(path)) + 200
        assert configuration.settings == Settings(crash_directories=(b"/first",), settle_seconds=5)
    path = write(tmp_path, MAIN, *(f"CrashDirectories={name}" for name in names))
    configuration = read_configuration(tmp_path, path)
    assert configuration.settings.crash_directories == tuple(map(os.fsencode, names[:64]))
    (problem,) = configuration.problems
    assert problem.endswith("65 directories are too many, at most 64 are watched")


def test_no_path_that_is_longer_than_one_can_be(tmp_path: Path) -> None:
    longest = "/" + "/".join(["x" * 127] * 32)[:4094]
    assert configured(tmp_path, f"CrashDirectories={longest}").crash_directories == (
        longest.encode(),
    )
    for name in (f"{longest}x", "/" + "ä" * 2048):
        path = write(tmp_path, MAIN, f"CrashDirectories={name}")
        configuration = read_configuration(tmp_path, path)
        assert configuration.settings == Settings()
        (problem,) = configuration.problems
        assert problem.startswith(f"{path}:2: CrashDirectories=/")
        assert problem.endswith("is longer than a path can be, 4095 bytes")
        assert len(problem) < len(str(path)) + 300


def test_a_file_that_is_too_long_is_named(tmp_path: Path) -> None:
    path = write(tmp_path, MAIN, "SettleSec=5s", "#" * (1 << 20))
    configuration = read_configuration(tmp_path, path)
    assert configuration == Configuration(
        Settings(), (f"{path}: is not read, as it has more than 1048576 characters",)
    )


def test_a_file_full_of_nonsense_is_told_in_a_few_lines(tmp_path: Path) -> None:
    path = write(tmp_path, MAIN, *(["x"] * 100_000), "y" * 100_000)
    problems = read_configuration(tmp_path, path).problems
    assert problems[0] == f"{path}:2: 'x' is neither [SECTION] nor KEY=VALUE"
    assert problems[-1] == "99981 more of such problems are not listed"
    assert len(problems) == 21
    path = write(tmp_path, MAIN, "SettleSec=" + "9" * 100_000, "k" * 100_000 + "=1", "z" * 100_000)
    for problem in read_configuration(tmp_path, path).problems:
        assert len(problem) < len(str(path)) + 250
