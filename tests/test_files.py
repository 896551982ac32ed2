"""Files that the program writes: whole, through no link, and never readable by more than before."""
from __future__ import annotations

import csv
import multiprocessing
import os
import stat
from pathlib import Path

import pytest
from conftest import wait_for

from tracker import errors, files
from tracker.transfer import columns, exporting, importing, source

OPENED = 'name,phone\nAda,555\nBo,x\n"Cy,557\nDi,558\n'


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def write(path, text="new", **how):
    with files.part_of(path) as part:
        part.file.write(text.encode())
        files.put(part, path, **how)


def die_while_writing(path):
    with files.part_of(path) as part:
        part.file.write(b"half")
        part.file.flush()
        os._exit(9)


def wait_while_writing(path, gate):
    with files.part_of(path) as part:
        part.file.write(b"half")
        part.file.flush()
        gate.wait()
        files.put(part, path)


def in_background(what, *arguments):
    child = multiprocessing.get_context("fork").Process(target=what, args=arguments)
    child.start()
    return child


def load(path):
    opened = source.open_source(path)
    return importing.load(opened, columns.match_headers(opened.headers))


@pytest.fixture
def masked():
    """The usual umask, which would let all read a new file."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def test_a_new_file_is_its_owners_alone(tmp_path, masked):
    write(tmp_path / "out.csv")
    assert mode(tmp_path / "out.csv") == 0o600


@pytest.mark.parametrize("before", [0o600, 0o640, 0o644, 0o604])
def test_a_file_that_is_replaced_keeps_its_mode(tmp_path, masked, before):
    path = tmp_path / "out.csv"
    path.write_text("old")
    path.chmod(before)
    write(path, replace=True)
    assert (path.read_text(), mode(path)) == ("new", before)


def test_a_file_that_is_replaced_keeps_its_owner_and_group(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("old")
    if os.geteuid() == 0:
        os.chown(path, 12345, 12346)
    before = path.stat()
    write(path, replace=True)
    assert (path.stat().st_uid, path.stat().st_gid) == (before.st_uid, before.st_gid)


def test_a_group_that_cannot_be_kept_is_left_out_and_so_is_everybody_else(tmp_path, monkeypatch):
    path, model = tmp_path / "out.csv", tmp_path / "model"
    model.write_text("old")
    model.chmod(0o664)

    def refuse(descriptor, owner, group):
        raise PermissionError

    monkeypatch.setattr(os, "fchown", refuse)
    stranger = os.stat_result([*model.stat()[:5], model.stat().st_gid + 1, *model.stat()[6:]])
    with files.part_of(path) as part:
        monkeypatch.setattr(files.Path, "stat", lambda self: stranger)
        files._take_after(part.file.fileno(), model)
        assert stat.S_IMODE(os.fstat(part.file.fileno()).st_mode) == 0o600


@pytest.mark.parametrize("target", ["secret", "nowhere"])
def test_a_link_at_the_files_name_is_refused_and_followed_never(tmp_path, target):
    (tmp_path / "secret").write_text("mine")
    path = tmp_path / "out.csv"
    path.symlink_to(tmp_path / target)
    with pytest.raises(errors.BadFile, match=r"out\.csv is a link, and nothing is written through one"):
        exporting.export("bills", path, overwrite=True)
    assert sorted(os.listdir(tmp_path)) == ["out.csv", "secret"]
    assert (tmp_path / "secret").read_text() == "mine"


def test_a_link_that_comes_while_a_file_is_written_is_not_followed(tmp_path):
    path, secret = tmp_path / "out.csv", tmp_path / "secret"
    secret.write_text("mine")
    with files.part_of(path) as part:
        path.symlink_to(secret)
        with pytest.raises(errors.FileExists):
            files.put(part, path)
    assert (secret.read_text(), sorted(os.listdir(tmp_path))) == ("mine", ["out.csv", "secret"])


def test_the_name_of_a_part_cannot_be_guessed_and_a_link_there_is_not_opened(tmp_path, monkeypatch):
    path, secret = tmp_path / "out.csv", tmp_path / "secret"
    secret.write_text("mine")
    with files.part_of(path) as one, files.part_of(path) as other:
        assert one.path != other.path
    monkeypatch.setattr(files.secrets, "token_hex", lambda size: "0" * 16)
    (tmp_path / f"out.csv.{'0' * 16}.part").symlink_to(secret)
    with pytest.raises(errors.BadFile, match=r"out\.csv cannot be written: File exists"), files.part_of(path):
        pass
    assert secret.read_text() == "mine"


def test_a_link_of_the_system_is_written_to_as_the_device_it_is(tmp_path):
    assert files.kind_to_write(Path("/dev/stdout")) == "device"
    with open(tmp_path / "out", "wb") as file, files.device(Path(f"/dev/fd/{file.fileno()}")) as opened:
        opened.write(b"through")
    assert (tmp_path / "out").read_text() == "through"


def test_a_file_that_takes_a_devices_place_is_not_written_to(tmp_path):
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(errors.FileExists), files.device(tmp_path / "out.csv"):
        pass
    assert (tmp_path / "out.csv").read_text() == "mine"


def test_a_name_that_was_free_and_is_taken_meanwhile_is_not_replaced(tmp_path):
    path = tmp_path / "out.csv"
    with files.part_of(path) as part:
        path.write_text("another's")
        with pytest.raises(errors.FileExists):
            files.put(part, path)
    assert (path.read_text(), os.listdir(tmp_path)) == ("another's", ["out.csv"])


def test_what_a_kill_left_is_cleared_by_the_next_to_write_that_file(tmp_path):
    path = tmp_path / "out.csv"
    in_background(die_while_writing, path).join()
    in_background(die_while_writing, tmp_path / "other.csv").join()
    left = [name for name in os.listdir(tmp_path) if name.startswith("out.csv.")]
    assert len(left) == 1
    write(path)
    assert sorted(name.partition(".")[0] for name in os.listdir(tmp_path)) == ["other", "out"]


def test_what_another_program_still_writes_is_not_cleared(tmp_path):
    path, gate = tmp_path / "out.csv", multiprocessing.get_context("fork").Event()
    child = in_background(wait_while_writing, path, gate)
    wait_for(lambda: any(file.stat().st_size for file in tmp_path.glob("*.part")))
    files.clear(path)
    gate.set()
    child.join()
    assert (path.read_text(), os.listdir(tmp_path)) == ("half", ["out.csv"])


def test_only_a_part_of_that_file_is_cleared_and_no_link_or_pipe_in_its_place(tmp_path):
    token = "0123456789abcdef"
    (tmp_path / "secret").write_text("mine")
    (tmp_path / f"out.csv.{token}.part").symlink_to(tmp_path / "secret")
    os.mkfifo(tmp_path / f"out.csv.{token[::-1]}.part")
    for name in ("out.csv.1234.part", f"my-out.csv.{token}.part", f"out.csv.{token}.part.csv"):
        (tmp_path / name).write_text("mine")
    before = sorted(os.listdir(tmp_path))
    files.clear(tmp_path / "out.csv")
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("name", ["x" * 251 + ".csv", "é" * 120 + ".csv", "[a]*.csv"])
def test_every_name_that_a_file_can_have_can_be_written_and_cleared(tmp_path, name):
    in_background(die_while_writing, tmp_path / name).join()
    write(tmp_path / name)
    assert os.listdir(tmp_path) == [name]


@pytest.mark.slow
def test_a_file_whose_name_is_no_text_is_imported_all_the_same(db, tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.csv")
    path.write_text("name,phone\nAda,555\n")
    assert load(path).new.customers == 1


@pytest.mark.slow
def test_rejects_are_read_by_nobody_who_could_not_read_the_file(db, tmp_path, masked):
    path = tmp_path / "in.csv"
    path.write_text("name,phone\nAda,x\n")
    for may in (0o600, 0o640, 0o644):
        path.chmod(may)
        assert mode(load(path).rejects_file) == may


@pytest.mark.slow
def test_rejects_of_a_linked_file_are_read_by_nobody_who_could_not_read_the_file_behind(db, tmp_path, masked):
    (tmp_path / "private").write_text("name,phone\nAda,x\n")
    (tmp_path / "private").chmod(0o600)
    (tmp_path / "in.csv").symlink_to(tmp_path / "private")
    assert mode(load(tmp_path / "in.csv").rejects_file) == 0o600


@pytest.mark.slow
def test_links_where_rejects_would_go_are_not_followed(db, tmp_path):
    path, secret = tmp_path / "in.csv", tmp_path / "secret"
    path.write_text("name,phone\nAda,x\n")
    secret.write_text("mine")
    (tmp_path / "in.csv.rejects.csv").symlink_to(secret)
    (tmp_path / "in.csv.rejects-2.csv").symlink_to(tmp_path / "nowhere")
    assert load(path).rejects_file == tmp_path / "in.csv.rejects-3.csv"
    assert (secret.read_text(), (tmp_path / "nowhere").exists()) == ("mine", False)


@pytest.mark.slow
def test_rejects_that_a_kill_left_are_cleared_by_the_next_import_of_that_file(db, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("name,phone\nAda,555\n")
    in_background(die_while_writing, tmp_path / "in.csv.rejects.csv").join()
    load(path)
    assert os.listdir(tmp_path) == ["in.csv"]


@pytest.mark.slow
def test_no_rejects_file_is_replaced_or_moved(db, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("name,phone\nAda,5x\n")
    first = load(path).rejects_file
    kept = first.read_bytes()
    path.write_text("name,phone\nBo,6x\n")
    second = load(path).rejects_file
    third = load(second).rejects_file
    assert [file.name for file in (first, second, third)] == [
        "in.csv.rejects.csv", "in.csv.rejects-2.csv", "in.csv.rejects-3.csv"]
    assert (first.read_bytes(), b"Bo,6x" in second.read_bytes()) == (kept, True)
    assert third.read_bytes() == second.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(("lines", "encoding"), [
    (["Ada,x"], "utf-8"),
    (["Ada , 5x ,=1+1,'x"], "utf-8"),
    (["Ada"], "utf-8"),
    (["Ada,555,,,,x", "Ada,555,,,more"], "utf-8"),
    (['"Ada "The" Okafor",555,,'], "utf-8"),
    (['"Ada, the first",x,"a ""b"" c",d'], "utf-8"),
    (['Ada,555,"1 Quay', 'Bo,556,2 Quay",x'], "utf-8"),
    (["A\0da,555,,"], "utf-8"),
    (["José,x,,", "Žofie,y,,"], "cp1250"),
    (["José,x,,"], "utf-16"),
    (["José,x,,"], "utf-8-sig"),
    (['Ada,555,"1 Quay,', "Bo,556,,", "Cy,557,,"], "utf-8"),
])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_rejects_are_the_text_of_their_lines_and_rejected_again_unless_mended(db, sql, tmp_path, lines, encoding, end):
    path = tmp_path / "in.csv"
    path.write_bytes(end.join(["name,phone,address,notes", *lines]).encode(encoding))
    opened = source.open_source(path, encoding)
    done = importing.load(opened, columns.match_headers(opened.headers))
    text = done.rejects_file.read_bytes().decode(encoding).lstrip("\ufeff")
    assert text.startswith(f"line_number,reason,name,phone,address,notes{end}")
    assert all(line in text for line in lines)
    again = source.open_source(done.rejects_file, encoding)
    twice = importing.load(again, columns.match_headers(again.headers))
    assert (twice.new.customers, len(twice.rejects), twice.hidden) == (0, len(done.rejects), done.hidden)
    unmended = twice.rejects_file.read_bytes().decode(encoding).lstrip("\ufeff")
    assert unmended.startswith(f"line_number,reason,name,phone,address,notes{end}")
    assert all(line in unmended for line in lines)
    assert sql("SELECT 1 FROM customers") == []


@pytest.mark.slow
def test_lines_that_an_unclosed_quotation_mark_hides_are_named_and_counted(db, run, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text(OPENED + "Ed,559\n")
    done = run("import", str(path), "--dry-run")
    assert "Line 4: Lines 4 to 6 are read as one. A quotation mark is opened and not closed" in done.stderr
    assert "4 lines rejected.\n" in done.stderr


@pytest.mark.slow
def test_lines_that_a_later_quotation_mark_makes_one_are_named_and_counted(db, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text('name,phone,address\nAda,555,"1 Quay\nBo,556,2 Quay\nCy,557,"3 Quay"\nDi,558,4 Quay\n')
    done = load(path)
    [(line, reason)] = done.rejects.items()
    assert (line, done.rejected(), done.new.customers) == (2, 3, 1)
    assert reason.startswith("Lines 2 to 4 are read as one. A quotation mark inside")


@pytest.mark.slow
def test_mended_rejects_are_imported(db, sql, tmp_path):
    path = tmp_path / "in.csv"
    path.write_text(OPENED)
    rest = load(path).rejects_file
    rest.write_text(rest.read_text().replace("Bo,x", "Bo,556").replace('"Cy', "Cy"))
    with open(rest, newline="") as file:
        lines = list(csv.reader(file))
    assert [len(line) for line in lines] == [4, 4, 4, 4]
    assert load(rest).rejects == {}
    assert [row["name"] for row in sql("SELECT name FROM customers ORDER BY phone_number")] == ["Ada", "Bo", "Cy", "Di"]
