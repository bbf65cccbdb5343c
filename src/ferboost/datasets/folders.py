"""Images in folders named by split and class, on disk or in a zip."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from ferboost.datasets.archives import Archive, Member
from ferboost.datasets.assembly import LabelledFace, Progress, parse_split
from ferboost.datasets.images import IMAGE_SUFFIXES, MAX_IMAGE_BYTES, decode_face
from ferboost.emotions import parse_emotion
from ferboost.errors import DataError, ImageError

__all__ = ["is_image", "parse_folders", "read_images"]


def is_image(member: Member) -> bool:
    """Say whether a file's name ends like an image's."""
    return member.path.suffix.casefold() in IMAGE_SUFFIXES


def parse_folders(path: PurePosixPath) -> tuple[str | None, str | None]:
    """Read the split and the class off an image's path.

    The split is the deepest folder named for one. The class is the deepest folder named for an
    emotion, or else the deepest folder below the split. Any nesting will do.

    Returns
    -------
    split : str or None
        ``"train"``, ``"validation"``, ``"test"``, or None where no folder names one.
    label : str or None
        The class folder's name, or None where the image lies in no class folder.
    """
    folders = path.parts[:-1]
    depth = next((i for i in reversed(range(len(folders))) if parse_split(folders[i])), None)
    split = None if depth is None else parse_split(folders[depth])
    below = folders if depth is None else folders[depth + 1 :]
    emotion = next((f for f in reversed(folders) if parse_emotion(f)), None)
    return split, emotion or (below[-1] if below else None)


def read_images(archive: Archive, source: str, progress: Progress) -> Iterator[LabelledFace]:
    """Decode the images of a folder or zip one at a time.

    Raises
    ------
    DataError
        If an image is in no class folder or cannot be read, or a class folder is empty.
    """
    images = [member for member in archive.members if is_image(member)]
    _refuse_empty_class(archive, images, source)
    for position, member in enumerate(images):
        split, label = parse_folders(member.path)
        if label is None:
            raise DataError(
                f"{member.path} in {source} is in no class folder; expected a path such as "
                "train/happy/NAME.png"
            )
        name = f"{member.path} in {source}"
        if member.size > MAX_IMAGE_BYTES:
            raise ImageError(
                f"{name} has {member.size:,} bytes; at most {MAX_IMAGE_BYTES:,} are read"
            )
        face, changes = decode_face(member.read(), name)
        yield LabelledFace(str(member.path), split, label, face, changes)
        progress(position + 1, len(images))


def _refuse_empty_class(archive: Archive, images: list[Member], source: str) -> None:
    with_images = _folders_of(images)
    with_files = _folders_of(archive.members)
    siblings = {folder.parent for folder in {member.path.parent for member in images}}
    for folder in archive.folders:
        filled = with_images if parse_emotion(folder.name) else with_files
        if folder.parent in siblings and folder not in filled and not parse_split(folder.name):
            raise DataError(
                f"the class folder {folder} in {source} holds no images; fill it or remove it"
            )


def _folders_of(members: list[Member]) -> set[PurePosixPath]:
    """Return the folders that hold any of the files, at any depth."""
    direct = {member.path.parent for member in members}
    return direct | {above for folder in direct for above in folder.parents}
