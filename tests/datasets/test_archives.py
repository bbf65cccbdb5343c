import os
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import load, png, published, refused, write_folder, write_zip

from ferboost.datasets import archives
from ferboost.datasets.archives import open_archive, walk_folder
from ferboost.errors import DataError

TWO = {"happy/1.png": png(1), "sad/2.png": png(2)}


def test_members_are_read_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    real = zipfile.ZipFile.open

    def note(self: zipfile.ZipFile, info: zipfile.ZipInfo) -> object:
        opened.append(info.filename)
        return real(self, info)

    path = write_zip(tmp_path / "faces.zip", TWO)
    monkeypatch.setattr(zipfile.ZipFile, "open", note)
    with open_archive(path) as archive:
        first, second = archive.members
        assert opened == []
        assert first.read() == png(1)
        assert opened == ["happy/1.png"]
        assert (second.path, second.size) == (PurePosixPath("sad/2.png"), len(png(2)))


@pytest.mark.parametrize(
    "compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_every_compression_is_read(tmp_path: Path, compression: int) -> None:
    assert len(load(write_zip(tmp_path / "faces.zip", TWO, compression))) == 2


def test_backslashes_of_windows_separate_folders(tmp_path: Path) -> None:
    files = {name.replace("/", "\\"): content for name, content in TWO.items()}
    assert load(write_zip(tmp_path / "faces.zip", files)).classes == ("happy", "sad")


def test_a_zip_that_starts_with_a_dot_folder_is_read(tmp_path: Path) -> None:
    files = {"./": b""} | {f"./{name}": content for name, content in TWO.items()}
    assert len(load(write_zip(tmp_path / "faces.zip", files))) == 2


@pytest.mark.parametrize(
    "name",
    [
        "../happy/1.png",
        "happy/../../1.png",
        "/happy/1.png",
        "..\\happy\\1.png",
        "\\happy\\1.png",
        "C:\\happy\\1.png",
        "c:/happy/1.png",
    ],
)
def test_a_path_that_leaves_the_zip_is_refused(tmp_path: Path, name: str) -> None:
    path = write_zip(tmp_path / "faces.zip", {name: png()})
    assert "points outside of it" in refused(path)


def test_a_colon_elsewhere_in_a_name_is_no_drive(tmp_path: Path) -> None:
    assert len(load(write_zip(tmp_path / "faces.zip", {"12:30/happy/1.png": png()}))) == 1


def test_control_characters_in_a_name_are_refused(tmp_path: Path) -> None:
    name = "happy/\x1b[2J\n.png"
    assert "control characters" in refused(write_zip(tmp_path / "a.zip", {name: png()}))
    assert "control characters" in refused(write_folder(tmp_path / "faces", {name: png()}))


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"happy/1.png": bytes(2**22)}, zipfile.ZIP_DEFLATED)
    assert "zip bomb" in refused(path)


def test_many_files_that_are_too_large_together_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_MAX_TOTAL_BYTES", 3000)
    assert "zip bomb" in refused(write_zip(tmp_path / "a.zip", TWO))


def test_an_encrypted_zip_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", TWO)
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        for found in re.finditer(re.escape(signature), bytes(content)):
            content[found.start() + offset] |= 1
    path.write_bytes(content)
    assert "is encrypted (happy/1.png); unpack it first" in refused(path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_path_that_stands_twice_in_a_zip_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", TWO)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("happy/1.png", png(5))
    assert "holds happy/1.png twice" in refused(path)


def truncate(content: bytes) -> bytes:
    return content[: len(content) // 2]


def corrupt_member(content: bytes) -> bytes:
    return content.replace(png(2)[100:110], bytes(10))


def forge_size(content: bytes) -> bytes:
    return content.replace(struct.pack("<I", len(png(2))), struct.pack("<I", len(png(2)) + 7))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (truncate, "is not a complete zip file"),
        (lambda _: b"", "is not a complete zip file"),
        (lambda _: b"text", "is not a complete zip file"),
        (corrupt_member, "sad/2.png in .* is damaged"),
        (forge_size, "is damaged|is not a complete zip"),
    ],
    ids=["truncated", "empty", "text", "corrupted member", "forged size"],
)
def test_a_damaged_zip_is_refused(
    tmp_path: Path, damage: Callable[[bytes], bytes], reason: str
) -> None:
    path = write_zip(tmp_path / "faces.zip", TWO)
    path.write_bytes(damage(path.read_bytes()))
    assert re.search(reason, refused(path))


@given(
    edits=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=6),
    length=st.none() | st.integers(0, 10_000),
    compression=st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]),
)
@settings(max_examples=100)
def test_damage_of_any_kind_is_a_data_error_or_none(
    tmp_path_factory: pytest.TempPathFactory,
    edits: list[tuple[int, int]],
    length: int | None,
    compression: int,
) -> None:
    files = {"happy/1.png": png(1)[:300], "a.csv": b"emotion,pixels\n0,1\n"}
    path = write_zip(tmp_path_factory.mktemp("fuzz") / "faces.zip", files, compression)
    content = bytearray(path.read_bytes())
    for position, value in edits:
        content[position % len(content)] = value
    path.write_bytes(content[:length])
    try:
        with open_archive(path) as archive:
            for member in archive.members:
                member.read()
    except DataError as error:
        assert "\n" not in str(error)  # noqa: PT017 - an error is one of two good outcomes


def test_links_are_followed(tmp_path: Path) -> None:
    elsewhere = write_folder(tmp_path / "elsewhere", published())
    faces = write_folder(tmp_path / "faces", {})
    (faces / "train").symlink_to(elsewhere / "train")
    write_folder(faces / "test", {"happy/": b""})
    (faces / "test" / "happy" / "1.png").symlink_to(elsewhere / "test/happy/face2-happy.png")
    dataset = load(faces)
    assert (dataset.splits == "train").sum() == 14
    assert (dataset.splits == "test").sum() == 1


def test_a_link_to_a_folder_above_is_refused(tmp_path: Path) -> None:
    faces = write_folder(tmp_path / "faces", TWO)
    (faces / "happy" / "again").symlink_to(faces)
    assert "leads back" in refused(faces)


def test_a_link_to_itself_among_other_files_does_no_harm(tmp_path: Path) -> None:
    faces = write_folder(tmp_path / "faces", TWO)
    (faces / "loop").symlink_to(faces / "loop")
    assert load(faces).notes == ("Files of other kinds, left out: 1 (loop).",)


def test_a_broken_link_in_place_of_an_image_is_refused(tmp_path: Path) -> None:
    faces = write_folder(tmp_path / "faces", TWO)
    (faces / "happy" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    assert "gone.png is a broken link" in refused(faces)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", ["happy/pipe.png", "pipe.zip"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, name: str) -> None:
    faces = write_folder(tmp_path / "faces", TWO)
    os.mkfifo(faces / name)
    if name.endswith("png"):
        assert "pipe.png is a broken link, a pipe" in refused(faces)
    else:
        assert "pipe.zip" in load(faces).notes[0]
        assert "pipe" in refused(faces / name)


def test_a_folder_that_cannot_be_listed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = write_folder(tmp_path / "faces", TWO)
    real = os.scandir

    def scandir(folder: Path) -> object:
        if folder.name == "sad":
            raise PermissionError(13, "Permission denied")
        return real(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    assert "cannot list the folder" in refused(faces)


def test_an_image_that_cannot_be_opened_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = write_folder(tmp_path / "faces", TWO)

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert "1.png cannot be read" in refused(faces)


def test_a_name_that_is_not_unicode_is_read(tmp_path: Path) -> None:
    faces = write_folder(tmp_path / "faces", TWO)
    name = os.fsdecode(b"caf\xe9.png")
    (faces / "happy" / name).write_bytes(png(3))
    assert len(load(faces)) == 3


def test_walking_lists_folders_before_what_is_in_them(tmp_path: Path) -> None:
    walked = [str(path) for path, _ in walk_folder(write_folder(tmp_path / "faces", TWO))]
    assert walked == ["happy", "happy/1.png", "sad", "sad/2.png"]
