import io
import struct
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageOps
from samples import draw, encode, png

from ferboost.datasets import images
from ferboost.datasets.images import decode_face, encode_png
from ferboost.errors import ImageError


def gray(seed: int = 0) -> Image.Image:
    return Image.fromarray(draw(seed))


def refusal(content: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        decode_face(content, "face.png")
    message = str(caught.value)
    assert message.startswith("face.png ")
    assert message.isprintable()
    return message


def forged_png(width: int, height: int) -> bytes:
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return png()[:8] + chunk + png()[33:]


def with_orientation(image: Image.Image, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return encode(image, exif=exif)


def test_a_gray_face_of_48_pixels_is_taken_as_it_is() -> None:
    face, changes = decode_face(png(3), "face.png")
    assert (face == draw(3)).all()
    assert face.dtype == np.uint8
    assert not changes


def test_encoding_loses_nothing() -> None:
    assert (decode_face(encode_png(draw(1)), "face.png")[0] == draw(1)).all()


@pytest.mark.parametrize("form", ["bmp", "gif", "jpeg", "png", "ppm", "tiff", "webp"])
def test_every_common_format_is_read(form: str) -> None:
    face, _ = decode_face(encode(Image.new("RGB", (48, 48), (128, 128, 128)), form), "face")
    assert np.abs(face.astype(int) - 128).max() <= 2


def test_colour_becomes_luma() -> None:
    face, changes = decode_face(encode(Image.new("RGB", (48, 48), (255, 0, 0))), "face.png")
    assert (face == 76).all()  # 0.299 * 255, ITU-R 601
    assert changes == {"colour"}


def test_a_palette_becomes_gray() -> None:
    image = Image.new("RGB", (48, 48), (0, 255, 0)).quantize(4)
    face, changes = decode_face(encode(image), "face.png")
    assert (face == 150).all()
    assert changes == {"colour"}


def test_printers_colours_become_gray() -> None:
    face, changes = decode_face(encode(Image.new("CMYK", (48, 48)), "jpeg"), "face.jpg")
    assert (face > 250).all()
    assert changes == {"colour"}


def test_black_and_white_becomes_gray() -> None:
    face, changes = decode_face(encode(Image.new("1", (48, 48), 1)), "face.png")
    assert (face == 255).all()
    assert not changes


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_parts_become_white(mode: str) -> None:
    image = Image.new(mode, (48, 48), 0)
    face, changes = decode_face(encode(image), "face.png")
    assert (face == 255).all()
    assert "transparency" in changes
    assert ("colour" in changes) == (mode == "RGBA")


def test_a_transparent_colour_of_a_gray_face_becomes_white() -> None:
    face, changes = decode_face(encode(Image.new("L", (48, 48), 7), transparency=7), "face.png")
    assert (face == 255).all()
    assert changes == {"transparency"}


def test_an_opaque_alpha_channel_is_not_worth_a_word() -> None:
    image = gray().convert("LA")
    face, changes = decode_face(encode(image), "face.png")
    assert (face == draw(0)).all()
    assert not changes


@pytest.mark.parametrize(
    ("kind", "top", "white"),
    [("uint16", 900, 65535), ("int32", 900, 65535), ("int32", 70_000, 2**31 - 1)]
    + [("float32", top, white) for top, white in ((0.7, 1), (200, 255), (5e9, 5e9))],
)
def test_deep_pictures_become_8_bits_strip_by_strip(
    kind: str, top: float, white: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "_STRIP_PIXELS", 350)  # three rows, and one in the end
    values = (np.random.default_rng(0).random((100, 100)) * top).astype(kind)
    values[40, 40] = top
    expected = (np.clip(values / np.float64(white), 0, 1) * 255).round()
    picture = images.picture_of_image(Image.fromarray(values), "deep")
    assert (np.asarray(picture) == expected).all()


def test_a_deep_picture_takes_little_memory_beside_itself() -> None:
    deep = Image.fromarray(np.full((2048, 2048), 9000, dtype=np.uint16))
    tracemalloc.start()
    images.picture_of_image(deep, "deep")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 * 2048 * 2048


def test_the_warnings_of_the_process_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    before, during = warnings.filters, []
    monkeypatch.setattr(images, "_refuse_bomb", lambda *_: during.append(warnings.filters))
    decode_face(png(), "face.png")
    assert during[0] is before


def test_16_bits_become_8() -> None:
    values = draw(0).astype(np.uint16) * 257
    face, changes = decode_face(encode(Image.fromarray(values)), "face.png")
    assert (face == draw(0)).all()
    assert changes == {"depth"}


@pytest.mark.parametrize("white", [1.0, 255.0, 65535.0])
def test_floats_become_8_bits(white: float) -> None:
    values = (np.linspace(0, 1, 48 * 48).reshape(48, 48) * white).astype(np.float32)
    face, changes = decode_face(encode(Image.fromarray(values), "tiff"), "face.tiff")
    assert (face[0, 0], face[-1, -1]) == (0, 255)
    assert changes == {"depth"}


@pytest.mark.parametrize("white", [255, 65535])
def test_whole_numbers_of_32_bits_become_8(white: int) -> None:
    values = np.linspace(0, white, 48 * 48).reshape(48, 48).astype(np.int32)
    face, _ = decode_face(encode(Image.fromarray(values), "tiff"), "face.tiff")
    assert (face[0, 0], face[-1, -1]) == (0, 255)


@pytest.mark.parametrize("form", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("exif", [b"Exif\0\0garbagegarbage", b"Exif\0\0" + bytes(20)])
def test_a_picture_with_damaged_metadata_is_read(form: str, exif: bytes) -> None:
    face, changes = decode_face(encode(gray(), form, exif=exif, dpi=(72, 72)), f"face.{form}")
    assert face == pytest.approx(draw(0), abs=40)
    assert "rotation" not in changes


def test_floats_that_are_no_numbers_are_refused() -> None:
    values = np.full((48, 48), np.nan, dtype=np.float32)
    assert "not numbers" in refusal(encode(Image.fromarray(values), "tiff"))


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("size", [(48, 48), (60, 48)])
def test_an_image_is_turned_upright(orientation: int, size: tuple[int, int]) -> None:
    stored = gray().resize(size)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(with_orientation(stored, orientation))))
    expected, _ = decode_face(encode(Image.fromarray(np.asarray(upright))), "face.png")
    face, changes = decode_face(with_orientation(stored, orientation), "face.png")
    assert (face == expected).all()
    assert "rotation" in changes


def test_an_upright_image_is_not_turned() -> None:
    face, changes = decode_face(with_orientation(gray(), 1), "face.png")
    assert (face == draw(0)).all()
    assert not changes


def test_the_centre_is_cut_out_of_a_wide_image() -> None:
    wide = np.zeros((96, 192), dtype=np.uint8)
    wide[:, 48:144] = 200
    face, changes = decode_face(encode(Image.fromarray(wide)), "face.png")
    assert np.abs(face.astype(int) - 200).max() < 20  # resampling rings at the edges
    assert changes == {"size"}


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2000, 1), (47, 49), (500, 300)])
def test_any_size_becomes_48(size: tuple[int, int]) -> None:
    face, changes = decode_face(encode(Image.new("L", size, 90)), "face.png")
    assert face.shape == (48, 48)
    assert (face == 90).all()
    assert changes == {"size"}


def test_the_first_frame_of_an_animation_is_taken() -> None:
    first, second = (Image.new("L", (48, 48), value) for value in (10, 240))
    animation = encode(first, "gif", save_all=True, append_images=[second])
    face, changes = decode_face(animation, "face.gif")
    assert (face == 10).all()
    assert "frames" in changes


def test_an_empty_file_is_refused() -> None:
    assert "empty" in refusal(b"")


def test_text_is_refused() -> None:
    assert "not an image" in refusal(b"just a text\n")


def test_postscript_is_not_interpreted() -> None:
    assert "not an image" in refusal(encode(Image.new("L", (48, 48)), "eps"))


@pytest.mark.parametrize("form", ["png", "jpeg"])
def test_a_truncated_image_is_refused(form: str) -> None:
    content = encode(gray(), form)
    assert "damaged" in refusal(content[: len(content) // 2])


def test_a_flipped_bit_of_a_png_is_noticed() -> None:
    content = bytearray(png())
    content[len(content) // 2] ^= 1
    assert "damaged" in refusal(bytes(content))


@pytest.mark.parametrize("size", [(8001, 8001), (60_000, 60_000)])
def test_an_image_with_too_many_pixels_is_refused_before_it_is_decoded(
    size: tuple[int, int],
) -> None:
    assert "pixels" in refusal(forged_png(*size))


def test_an_image_that_memory_does_not_hold_is_not_called_damaged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def exhausted(_image: Image.Image) -> None:
        raise MemoryError

    content = png(3)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", exhausted)
    assert "more memory to decode than there is" in refusal(content)


def test_an_image_of_too_many_bytes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_IMAGE_BYTES", 1000)
    assert "at most 1,000" in refusal(png())


HEALTHY = (
    png(),
    encode(gray().convert("RGBA")),
    encode(gray().convert("RGB").quantize(16)),
    encode(Image.fromarray(draw(0).astype(np.uint16))),
    encode(gray(), "jpeg"),
    encode(gray().convert("RGB").resize((60, 50)), "jpeg", exif=Image.Exif()),
    with_orientation(gray(), 6),
    encode(gray(), "gif"),
    encode(gray(), "tiff"),
    encode(gray(), "bmp"),
    encode(gray(), "webp"),
)


@given(
    content=st.sampled_from(HEALTHY),
    edits=st.lists(st.tuples(st.integers(0, 4000), st.binary(min_size=1, max_size=4)), max_size=6),
    length=st.none() | st.integers(0, 4000),
)
@settings(max_examples=300)
def test_damage_of_any_kind_gives_a_face_or_an_image_error(
    content: bytes, edits: list[tuple[int, bytes]], length: int | None
) -> None:
    damaged = bytearray(content)
    for position, replacement in edits:
        start = position % len(content)
        damaged[start : start + len(replacement)] = replacement
    try:
        face, _ = decode_face(bytes(damaged[:length]), "face")
    except ImageError as error:
        assert "\n" not in str(error)  # noqa: PT017 - an error is one of two good outcomes
    else:
        assert face.shape == (48, 48)
        assert face.dtype == np.uint8
