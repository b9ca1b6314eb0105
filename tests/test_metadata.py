"""Metadata: what a rendering gets of the trained image's EXIF, XMP and profile. Pillow and tifffile read it back."""

import io
import json
import re
import struct
import zlib
from collections.abc import Callable
from xml.etree import ElementTree

import hypothesis.strategies as st
import imagecodecs
import numpy as np
import pictures
import pytest
import tifffile
from conftest import fails
from hypothesis import given, settings
from PIL import ExifTags, Image, ImageCms
from PIL.TiffImagePlugin import IFDRational as Rational

import fftool
from fftool.config import MAX_METADATA
from fftool.errors import SettingError
from fftool.media.image.exif import parse
from fftool.media.image.medium import read_image, write_image

RGB, GREY = pictures.smooth(3), pictures.smooth(1)
ADOBE = imagecodecs.cms_profile("adobergb")
EXIF, GPS, INTEROP = 0x8769, 0x8825, 0xA005

LENS = (Rational(24), Rational(70), Rational(14, 5), Rational(14, 5))
# What is kept: of the picture, as Pillow reads it.
MAIN_TAGS = {
    270: "A hill", 271: "Camera Co", 272: "M 1", 282: 300.0, 283: 300.0, 296: 2, 305: "Firmware 7",
    306: "2024:05:06 07:08:09", 315: "J. Doe", 33432: "(c) J. Doe", 18246: 4,
    40093: "Ann".encode("utf-16-le"), 50736: LENS,
}  # fmt: skip
EXIF_TAGS = {
    33434: Rational(1, 250), 33437: Rational(14, 5), 34855: 200, 36864: b"0232", 36867: "2024:05:06 07:08:09",
    37380: Rational(-1, 2), 37510: b"UNICODE\0\0h\0i", 42033: "SERIAL-4711", 42034: LENS, 42240: 2.2,
}  # fmt: skip
GPS_TAGS = {1: "N", 2: (48.0, 12.0, 30.5), 3: "E", 4: (11.0, 34.0, 5.25), 5: b"\0", 29: "2024:05:06"}
INTEROP_TAGS = {1: "R03", 2: b"0100"}
# What is left out: of the stored pixels, or of the file.
WRONG_MAIN_TAGS = {256: 4000, 257: 3000, 274: 6, 531: 2, 330: 9}
WRONG_EXIF_TAGS = {40962: 4000, 40963: 3000, 37500: b"MAKERNOTE", 41492: (2000, 1500), 37396: (2000, 1500, 10, 10)}
WRONG_INTEROP_TAGS = {4097: 4000, 4098: 3000}
PRIVATE = (b"SERIAL-4711", b"J. Doe", b"GEOTAG", b"2024:05:06", b"THUMBNAIL", b"MAKERNOTE")

DUBLIN = "{http://purl.org/dc/elements/1.1/}"
TIFF_NS, EXIF_NS = "{http://ns.adobe.com/tiff/1.0/}", "{http://ns.adobe.com/exif/1.0/}"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" xmlns:exif="http://ns.adobe.com/exif/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
 xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" xmlns:GCamera="http://ns.google.com/photos/1.0/camera/"
 tiff:Orientation="6" exif:PixelXDimension="4000" hdrgm:Version="1.0" GCamera:MotionPhoto="1"
 tiff:Make="Camera &amp; Co" exif:GPSLatitude="48,12.5N" xmp:Rating="4">
<dc:creator><rdf:Seq><rdf:li>Jürgen</rdf:li></rdf:Seq></dc:creator><dc:title>GEOTAG</dc:title>
<tiff:ImageWidth>4000</tiff:ImageWidth><exif:PixelYDimension>3000</exif:PixelYDimension>
<xmp:Thumbnails><rdf:Alt><rdf:li>THUMBNAIL</rdf:li></rdf:Alt></xmp:Thumbnails>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>\n\0""".encode()


def exif_block(order: str = ">") -> bytes:
    """Everything above, with a thumbnail behind it, by Pillow; big-endian as from most cameras, or not."""
    exif = Image.Exif()
    exif.endian = order
    exif.update(MAIN_TAGS | WRONG_MAIN_TAGS)
    exif.get_ifd(EXIF).update(EXIF_TAGS | WRONG_EXIF_TAGS | {40961: 65535, INTEROP: INTEROP_TAGS | WRONG_INTEROP_TAGS})
    exif.get_ifd(GPS).update(GPS_TAGS)
    block = bytearray(exif.tobytes().removeprefix(b"Exif\0\0"))
    (count,) = struct.unpack_from(order + "H", block, 8)
    struct.pack_into(order + "I", block, 10 + 12 * count, len(block))
    entries = ((259, 6), (513, len(block) + 42), (514, 9))
    block += struct.pack(order + "H", 3) + b"".join(struct.pack(order + "HHII", tag, 4, 1, n) for tag, n in entries)
    return bytes(block + bytes(4) + b"THUMBNAIL")


def tags(file: object, names: dict[int, object]) -> tuple[dict, dict, dict, dict]:
    """Tags of an image in Pillow's reading: those named in the main directory, and all in EXIF, GPS and behind them."""
    with Image.open(file) as image:
        exif = image.getexif()
        parts = [dict(exif.get_ifd(tag)) for tag in (EXIF, GPS, ExifTags.IFD.IFD1)]
        return {tag: exif[tag] for tag in names if tag in exif}, *parts


def xmp_of(file: object) -> bytes:
    with Image.open(file) as image:
        data = image.info.get("xmp", b"")
        return data if isinstance(data, bytes) else data.encode()


def holds_everything(file: object) -> None:
    """Assert that an image has all that is kept of the metadata above, and nothing else of it."""
    main, exif, gps, thumbnail = tags(file, MAIN_TAGS)
    assert main == MAIN_TAGS
    assert exif == EXIF_TAGS | {40961: 1}  # sRGB
    assert (gps, thumbnail) == (GPS_TAGS, {})
    with Image.open(file) as image:
        expected = {256: image.width, 257: image.height} if image.format == "TIFF" else {}  # of this file
        assert {tag: image.getexif()[tag] for tag in WRONG_MAIN_TAGS if tag in image.getexif()} == expected
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(profile)
    (description,) = ElementTree.fromstring(xmp_of(file)).iter(f"{RDF}Description")
    kept = {f"{RDF}about", f"{TIFF_NS}Make", f"{EXIF_NS}GPSLatitude", "{http://ns.adobe.com/xap/1.0/}Rating"}
    assert description.attrib.keys() == kept
    assert [element.tag for element in description] == [f"{DUBLIN}creator", f"{DUBLIN}title"]
    assert (description.attrib[f"{TIFF_NS}Make"], description[0][0][0].text) == ("Camera & Co", "Jürgen")
    data = file.read_bytes() if hasattr(file, "read_bytes") else file.getvalue()
    assert b"THUMBNAIL" not in data
    assert b"MAKERNOTE" not in data


@pytest.fixture(scope="module")
def source() -> bytes:
    """A photo as from a camera."""
    options = {"exif": b"Exif\0\0" + exif_block(), "xmp": XMP, "icc_profile": ADOBE}
    return pictures.saved(RGB, "JPEG", quality=98, subsampling=0, **options)


@pytest.fixture(scope="module")
def model(source, tmp_path_factory):
    """A checkpoint trained on it."""
    folder = tmp_path_factory.mktemp("metadata")
    (folder / "photo.jpg").write_bytes(source)
    fitted = fftool.fit(
        read_image(folder / "photo.jpg"),
        fftool.EncodingConfig(scale=1.0, dimension=4),
        fftool.NetworkConfig(hidden=4),
        fftool.TrainingConfig(epochs=1),
    )
    for progress in fitted:
        pass
    fftool.save(progress.network, folder / "model.st")
    return folder / "model.st"


RENDERINGS = dict.fromkeys(("a.jpg", "a.webp", "a.avif", "a.png", "a.tiff", "-"), ()) | {
    "lossless.webp": ("--quality", 100),
    "16.png": ("--bits", 16),
    "16.tif": ("--bits", 16),
    "part.png": ("--crop", "0,0,0.5,0.5"),
}


@pytest.mark.parametrize("name", RENDERINGS)
def test_rendering_has_metadata_of_photo(run, tmp_path, model, name):
    done = run("render", model, "-o", name, "--size", "30x40", *RENDERINGS[name], text=False)
    assert done.returncode == 0, done.stderr
    file = io.BytesIO(done.stdout) if name == "-" else tmp_path / name
    holds_everything(file)
    with Image.open(file) as image:
        assert image.size == (30, 40)
        image.load()


def test_tiff_has_metadata_where_tifffile_looks(tmp_path, run, model):
    assert run("render", model, "-o", "a.tif").returncode == 0
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        found = tiff.pages.first.tags
        assert found["ExifTag"].value["LensSpecification"] == (24, 1, 70, 1, 14, 5, 14, 5)
        assert found["GPSTag"].value["GPSLatitude"] == (48, 1, 12, 1, 61, 2)
        assert (found["Software"].value, found["XResolution"].value) == ("Firmware 7", (300, 1))
        assert found["LensInfo"].value == (24, 1, 70, 1, 14, 5, 14, 5)
        assert ElementTree.fromstring(found["XMP"].value) is not None


def test_tiff_without_metadata_has_none(tmp_path):
    """Writers fill in what they have to: a resolution without a unit, and their name."""
    write_image(tmp_path / "a.tif", RGB)
    tifffile.imwrite(tmp_path / "b.tif", RGB, software="", metadata=None)
    for name in ("a.tif", "b.tif"):
        assert read_image(tmp_path / name).metadata == {}


@pytest.mark.parametrize("options", [{}, {"imagej": True}, {"ome": True}], ids=["shaped", "ImageJ", "OME"])
def test_layout_of_the_original_is_no_description(tmp_path, options):
    """Programs write the size of the array there, which readers would miss in a rendering."""
    tifffile.imwrite(tmp_path / "a.tif", RGB, **options)
    assert b"shape" not in read_image(tmp_path / "a.tif").metadata.get("exif", b"")
    write_image(tmp_path / "b.tif", RGB[:5], metadata=read_image(tmp_path / "a.tif").metadata)
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        assert "ImageDescription" not in tiff.pages.first.tags
        assert tiff.asarray().shape == RGB[:5].shape


def test_bigtiff_has_metadata(tmp_path, monkeypatch, model):
    monkeypatch.setattr("fftool.media.image.formats.MAX_WHOLE_PIXELS", 10)
    write_image(tmp_path / "a.tif", RGB, metadata=fftool.load(model).config.signal.metadata)
    with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
        assert tiff.is_bigtiff
        found = tiff.pages.first.tags
        assert found["ExifTag"].value["BodySerialNumber"] == "SERIAL-4711"
        assert found["GPSTag"].value["GPSLatitude"] == (48, 1, 12, 1, 61, 2)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif").samples, RGB)
    assert b"SERIAL-4711" in read_image(tmp_path / "a.tif").metadata["exif"]


@pytest.mark.parametrize("name", ["a.jpg", "a.webp", "a.avif", "a.png", "a.tiff", "-"])
def test_rendering_without_metadata(run, tmp_path, model, name):
    done = run("render", model, "-o", name, "--no-metadata", text=False)
    data = done.stdout if name == "-" else (tmp_path / name).read_bytes()
    assert done.returncode == 0, done.stderr
    assert [mark for mark in (*PRIVATE, b"Camera", b"Firmware", b"xmpmeta", b"sRGB") if mark in data] == []
    with Image.open(io.BytesIO(data)) as image:
        assert not {"exif", "xmp", "icc_profile"} & image.info.keys()


def test_bmp_has_no_metadata(run, tmp_path, model):
    assert run("render", model, "-o", "a.bmp").returncode == 0
    assert not [mark for mark in PRIVATE if mark in (tmp_path / "a.bmp").read_bytes()]
    with Image.open(tmp_path / "a.bmp") as image:
        image.load()


def test_info_names_metadata(run, model):
    size = sum(map(len, fftool.describe(model).config.signal.metadata.values()))
    shown = run("info", model).stdout
    assert re.search(rf"^metadata +EXIF, sRGB profile, XMP \({size / 1000:.1f} kB\)$", shown, re.MULTILINE)
    assert [mark.decode() for mark in PRIVATE if mark.decode() in shown] == []
    document = json.loads(run("info", model, "--json").stdout)
    assert list(document["config"]["signal"]["metadata"]) == ["exif", "icc", "xmp"]


TINY = ("--hidden", 4, "--dimension", 4, "--epochs", 1, "--scale", 1)


def test_training_without_metadata(run, tmp_path, source):
    (tmp_path / "photo.jpg").write_bytes(source)
    assert run("train", "photo.jpg", *TINY, "--no-metadata").returncode == 0
    assert fftool.describe(tmp_path / "model.st").config.signal.metadata == {}
    assert "metadata" not in run("info", "model.st").stdout
    assert run("render", "model.st", "-o", "a.jpg").returncode == 0
    with Image.open(tmp_path / "a.jpg") as image:
        assert not {"exif", "xmp", "icc_profile"} & image.info.keys()


def test_training_again_gives_same_file_and_metadata_is_of_first_reading(run, tmp_path, source):
    (tmp_path / "photo.jpg").write_bytes(source)
    for name in ("a.st", "b.st"):
        assert run("train", "photo.jpg", *TINY, "-o", name).returncode == 0
    assert (tmp_path / "a.st").read_bytes() == (tmp_path / "b.st").read_bytes()
    signal = fftool.describe(tmp_path / "a.st").config.signal
    with Image.open(tmp_path / "photo.jpg") as image:
        plain = image.info["exif"].replace(b"J. Doe", b"A. Ngo")
    (tmp_path / "photo.jpg").write_bytes(source.replace(b"J. Doe", b"A. Ngo"))
    assert b"A. Ngo" in plain
    assert run("train", "--resume", "a.st", "--epochs", 2).returncode == 0
    assert fftool.describe(tmp_path / "a.st").config.signal.metadata == signal.metadata
    fails(run("train", "--resume", "a.st", "--epochs", 3, "--no-metadata"), 2, "--no-metadata is fixed in a.st")


def test_comparison_keeps_metadata_in_its_checkpoints_unless_told(run, tmp_path, source):
    (tmp_path / "photo.jpg").write_bytes(source)
    command = ("compare", "photo.jpg", *TINY, "--save-models", "models", "--overwrite")
    for more, kept in ((), ["exif", "icc", "xmp"]), (("--no-metadata",), []):
        assert run(*command, *more).returncode == 0
        (path,) = (tmp_path / "models").glob("*.st")
        assert list(fftool.describe(path).config.signal.metadata) == kept
    fails(run("compare", "photo.jpg", path, "--no-metadata"), 2, "--no-metadata is for networks to be trained")


def text_chunk(name: bytes, keyword: bytes, rest: bytes) -> bytes:
    return pictures.chunk(name, keyword + b"\0" + rest)


def raw_profile(kind: bytes, data: bytes) -> bytes:
    """A profile as ImageMagick writes it."""
    digits = data.hex().encode()
    lines = b"\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    text = b"\n%s\n%8d\n%s\n" % (kind, len(data), lines)
    return text_chunk(b"zTXt", b"Raw profile type " + kind, b"\0" + zlib.compress(text))


def jxl_container(*boxes: tuple[bytes, bytes]) -> bytes:
    data = imagecodecs.jpegxl_encode(RGB, lossless=True, usecontainer=True)
    return data + b"".join(struct.pack(">I4s", 8 + len(body), name) + body for name, body in boxes)


def tiff() -> bytes:
    exif = Image.Exif()
    exif.load(BLOCK)
    exif[700] = XMP
    for tag in (256, 257, 330):  # which Pillow would take for those of this file
        del exif[tag]
    return pictures.saved(RGB, "TIFF", exif=exif, icc_profile=ADOBE)


def camera_raw() -> bytes:
    """A DNG with descriptive tags."""
    texts = ((271, "Camera Co"), (306, "2024:05:06 07:08:09"))
    tags = [*pictures.dng_tags(), *((tag, 2, 0, text, True) for tag, text in texts)]
    linear = np.rint(65535 * pictures.linear_light(pictures.bright())).astype(np.uint16)
    return pictures.tiff_of((linear, {"photometric": "linear_raw", "extratags": tags}))


BLOCK = exif_block()
COMPRESSED_XMP = text_chunk(b"iTXt", b"XML:com.adobe.xmp", b"\1\0\0\0" + zlib.compress(XMP))
PLAIN_XMP = text_chunk(b"iTXt", b"XML:com.adobe.xmp", b"\0\0en\0XMP\0" + XMP)
OTHER_TEXT = text_chunk(b"iTXt", b"Comment", b"\0\0\0\0hello")
PROFILE = pictures.chunk(b"iCCP", b"Adobe\0\0" + zlib.compress(ADOBE))
BROTLI = imagecodecs.brotli_encode
JXL_EXIF = bytes(4) + BLOCK
with_metadata = {"exif": BLOCK, "xmp": XMP, "icc_profile": ADOBE}
SOURCES: dict[str, Callable[[], bytes]] = {
    "little-endian.jpg": lambda: pictures.saved(
        RGB, "JPEG", exif=b"Exif\0\0" + exif_block("<"), xmp=XMP, icc_profile=ADOBE
    ),
    "photo.webp": lambda: pictures.saved(RGB, "WEBP", **with_metadata),
    "photo.avif": lambda: pictures.saved(RGB, "AVIF", **with_metadata),
    "photo.heic": lambda: pictures.heic(RGB, profile=ADOBE, exif=BLOCK, xmp=XMP),
    "photo.tif": tiff,
    "plain.png": lambda: pictures.png(RGB, 8, before=PROFILE + OTHER_TEXT + PLAIN_XMP + pictures.chunk(b"eXIf", BLOCK)),
    "compressed.png": lambda: pictures.png(
        RGB, 8, before=PROFILE + COMPRESSED_XMP + raw_profile(b"exif", b"Exif\0\0" + BLOCK)
    ),
    "raw-profiles.png": lambda: pictures.png(
        RGB, 8, before=PROFILE + raw_profile(b"xmp", XMP) + raw_profile(b"exif", BLOCK)
    ),
    "boxes.jxl": lambda: jxl_container((b"Exif", JXL_EXIF), (b"xml ", XMP)),
    "compressed.jxl": lambda: jxl_container(
        (b"brob", b"xml " + BROTLI(XMP)), (b"brob", b"Exif" + BROTLI(b"\0\0\0\6Exif\0\0" + BLOCK))
    ),
    "jpeg.jxl": lambda: imagecodecs.jpegxl_encode_jpeg(
        pictures.saved(RGB, "JPEG", exif=b"Exif\0\0" + BLOCK, xmp=XMP, icc_profile=ADOBE)
    ),
}


@pytest.mark.parametrize("name", SOURCES)
def test_reads_metadata_of_each_format(tmp_path, name):
    """What is read is written to a PNG, which Pillow reads."""
    (tmp_path / name).write_bytes(SOURCES[name]())
    signal = read_image(tmp_path / name)
    has_profile = name not in ("boxes.jxl", "compressed.jxl")
    metadata = dict(signal.metadata) | ({} if has_profile else {"icc": b"sRGB"})
    assert metadata["icc"] == b"sRGB"
    write_image(tmp_path / "a.png", signal.samples, metadata=metadata)
    main, exif, gps, _ = tags(tmp_path / "a.png", MAIN_TAGS)
    assert main == MAIN_TAGS
    assert {tag: exif.get(tag) for tag in EXIF_TAGS} == EXIF_TAGS
    assert gps == GPS_TAGS
    assert "Jürgen".encode() in xmp_of(tmp_path / "a.png")
    if has_profile:
        holds_everything(tmp_path / "a.png")


def test_reads_metadata_of_raw_file(tmp_path):
    (tmp_path / "a.dng").write_bytes(camera_raw())
    signal = read_image(tmp_path / "a.dng")
    write_image(tmp_path / "a.png", signal.samples, metadata=signal.metadata)
    kept = {271: "Camera Co", 306: "2024:05:06 07:08:09", 50708: "A camera"}
    with Image.open(tmp_path / "a.png") as image:
        found = dict(image.getexif())
        assert {tag: found.get(tag) for tag in kept} == kept
        assert not found.keys() & {274, 277, 50706, 50721}
        assert "icc_profile" not in image.info


def test_values_are_kept_byte_for_byte(tmp_path):
    """Text in UTF-8 too, which EXIF does not foresee and cameras write."""
    artist = "Jürgen Šmíd".encode() + b"\0"
    for head, order in ((b"II*\0", "<"), (b"MM\0*", ">")):
        block = head + struct.pack(order + "IHHHIII", 8, 1, 315, 2, len(artist), 26, 0) + artist
        write_image(tmp_path / "a.png", RGB, metadata={"exif": block})
        with Image.open(tmp_path / "a.png") as image:
            assert artist in image.info["exif"]
        write_image(tmp_path / "a.tif", RGB, metadata={"exif": block})
        with tifffile.TiffFile(tmp_path / "a.tif") as tiff:
            assert tiff.pages.first.tags["Artist"].value == "Jürgen Šmíd"


PROFILES = {
    "none.png": (RGB, None, None),
    "adobe.png": (RGB, ADOBE, b"sRGB"),
    "srgb.png": (RGB, imagecodecs.cms_profile("srgb"), b"sRGB"),
    "alpha.png": (pictures.smooth(4), ADOBE, b"sRGB"),
    "cut.png": (RGB, ADOBE[:200], None),
    "grey.png": (GREY, imagecodecs.cms_profile("gray", whitepoint=[0.3457, 0.3585, 1], gamma=2.2), None),
    "colours-for-grey.png": (GREY, ADOBE, None),
}


@pytest.mark.parametrize("name", PROFILES)
def test_profile_is_kept_where_there_was_one_of_colours(tmp_path, name):
    samples, profile, kept = PROFILES[name]
    (tmp_path / name).write_bytes(pictures.saved(samples, "PNG", **({"icc_profile": profile} if profile else {})))
    signal = read_image(tmp_path / name)
    assert signal.metadata.get("icc") == kept
    for suffix in ("png", "webp", "tif"):
        write_image(tmp_path / f"a.{suffix}", signal.samples, metadata=signal.metadata)
        with Image.open(tmp_path / f"a.{suffix}") as image:
            assert ("icc_profile" in image.info) == (kept is not None)
            written = image.info.get("icc_profile", b"")
        assert written[24:36] in (b"", struct.pack(">6H", 2000, 1, 1, 0, 0, 0))  # not the date of the writing


def test_grey_image_has_no_profile_of_colours(tmp_path):
    for suffix in ("jpg", "png", "tif", "avif"):
        write_image(tmp_path / f"a.{suffix}", GREY, metadata={"icc": b"sRGB", "exif": BLOCK})
        with Image.open(tmp_path / f"a.{suffix}") as image:
            assert "icc_profile" not in image.info
            assert image.getexif()[271] == "Camera Co"


def test_colour_space_is_kept_where_colours_were_not_converted(tmp_path):
    (tmp_path / "a.jpg").write_bytes(pictures.saved(RGB, "JPEG", exif=b"Exif\0\0" + BLOCK))
    write_image(tmp_path / "a.png", RGB, metadata=read_image(tmp_path / "a.jpg").metadata)
    with Image.open(tmp_path / "a.png") as image:
        assert image.getexif().get_ifd(EXIF)[40961] == 65535
        assert image.getexif().get_ifd(INTEROP) == INTEROP_TAGS


def exif_with_comment(size: int) -> bytes:
    exif = Image.Exif()
    exif[271] = "Camera Co"
    exif.get_ifd(EXIF)[37510] = bytes(size)
    return exif.tobytes().removeprefix(b"Exif\0\0")


def xmp_with_title(size: int) -> bytes:
    return XMP.replace(b"GEOTAG", b"x" * size)


@pytest.mark.parametrize("part", ["exif", "xmp"])
def test_part_that_is_too_long_for_jpeg_is_left_out(tmp_path, part):
    make = {"exif": exif_with_comment, "xmp": xmp_with_title}[part]
    metadata = {"exif": BLOCK, "xmp": XMP}
    for size, holds in ((40_000, True), (66_000, False)):
        write_image(tmp_path / "a.jpg", RGB, metadata=metadata | {part: make(size)})
        with Image.open(tmp_path / "a.jpg") as image:
            image.load()
            assert {"exif", "xmp"} - image.info.keys() == (set() if holds else {part})
    for suffix in ("png", "webp", "avif", "tif"):
        write_image(tmp_path / f"a.{suffix}", RGB, metadata=metadata | {part: make(66_000)})
        assert len(read_image(tmp_path / f"a.{suffix}").metadata[part]) > 66_000


def test_longest_jpeg_segments(tmp_path):
    """A JPEG holds 65533 bytes in each; around that, the part is whole or absent."""
    for make, mark, part in ((exif_with_comment, 6, "exif"), (xmp_with_title, 29, "xmp")):
        write_image(tmp_path / "a.png", RGB, metadata={part: make(60_000)})
        over = 65533 - mark - len(read_image(tmp_path / "a.png").metadata[part])
        for more, holds in ((0, True), (2, False)):
            write_image(tmp_path / "a.jpg", RGB, metadata={part: make(60_000 + over // 2 * 2 + more)})
            assert (part in read_image(tmp_path / "a.jpg").metadata) is holds


def test_longest_part_is_left_out_where_there_is_no_room_for_all(tmp_path):
    for exif_size, xmp_size, kept in ((700_000, 600_000, "xmp"), (400_000, 900_000, "exif")):
        write_image(tmp_path / "a.png", RGB)
        data = (tmp_path / "a.png").read_bytes()
        more = pictures.chunk(b"eXIf", exif_with_comment(exif_size)) + text_chunk(
            b"iTXt", b"XML:com.adobe.xmp", bytes(4) + xmp_with_title(xmp_size)
        )
        (tmp_path / "a.png").write_bytes(data[:33] + more + data[33:])
        assert list(read_image(tmp_path / "a.png").metadata) == [kept]


def many(count: int, size: int) -> bytes:
    """A block whose tags all claim the same bytes."""
    entries = b"".join(struct.pack("<HHII", tag, 7, size, 8) for tag in range(count))
    exif_entry = struct.pack("<HHII", EXIF, 4, 1, 26)
    return b"II*\0\x08\0\0\0\1\0" + exif_entry + bytes(4) + struct.pack("<H", count) + entries + bytes(size)


def exif_with_resolution(kind: int) -> bytes:
    """A block with a resolution of one byte, of another type than it should be, and a valid unit."""
    return b"II*\0\x08\0\0\0\2\0" + struct.pack("<HHIIHHII", 282, kind, 1, 4, 296, 3, 1, 2) + bytes(4)


LOOP = b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", EXIF, 4, 1, 8) + bytes(4)
MALFORMED = {
    "nothing": {"exif": b"", "xmp": b"", "icc": b""},
    "zeros": {"exif": bytes(100), "xmp": bytes(100), "icc": bytes(200)},
    "no directory": {"exif": b"II*\0\xff\xff\xff\xff", "xmp": b"<x", "icc": ADOBE},
    "BigTIFF without end": {"exif": b"II+\0\x08\0\0\0" + b"\xff" * 8 + b"\xff" * 100, "xmp": b"\xff\xfe<\0a\0/\0>\0"},
    "loop": {"exif": LOOP, "xmp": b"<a>" * 20_000 + b"</a>" * 20_000},
    "resolution that is a byte": {"exif": exif_with_resolution(1)},
    "resolution that is text": {"exif": exif_with_resolution(2)},
    "cut": {"exif": BLOCK[:60], "xmp": XMP[:300]},
    "prefixes": {"exif": b"Exif\0\0" * 100_000 + BLOCK, "xmp": b"<a/>" * 100_000},
    "tags of the same bytes": {"exif": many(20_000, 200_000)},
    "entities": {
        "xmp": b'<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]><a>&c;&c;</a>',
        "icc": b"sRGB or not",
    },
    "other encoding": {"xmp": '<?xml version="1.0" encoding="cp037"?><a/>'.encode("cp037")},
    "unknown": {"exec": b"import os", "exif": b"II*\0" + bytes(4)},
}
PARTLY_VALID = ("tags of the same bytes", "resolution that is a byte", "resolution that is text")


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_metadata_of_a_checkpoint_breaks_no_rendering(run, tmp_path, name):
    """Each file is whole, holds nothing of it, and is read without a warning."""
    signal = fftool.Signal(RGB, metadata=MALFORMED[name])
    fitted = fftool.fit(
        signal, fftool.EncodingConfig(kind="basic"), fftool.NetworkConfig(hidden=2, layers=1),
        fftool.TrainingConfig(epochs=1),
    )  # fmt: skip
    for progress in fitted:
        pass
    fftool.save(progress.network, tmp_path / "model.st")
    for suffix in ("png", "jpg", "webp", "avif", "tif", "bmp"):
        done = run("render", "model.st", "-o", f"a.{suffix}")
        assert done.returncode == 0, done.stderr
        with Image.open(tmp_path / f"a.{suffix}") as image:
            image.load()
            assert image.getexif().get_ifd(GPS) == {}
            assert not {"xmp", "icc_profile"} & image.info.keys()
        read_image(tmp_path / f"a.{suffix}")
    info = run("info", "model.st", "--json")
    assert info.returncode == 0


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_metadata_of_an_image_fails_no_training(tmp_path, name):
    parts = {"exif": b"", "xmp": b""} | MALFORMED[name]
    before = pictures.chunk(b"eXIf", parts["exif"]) + text_chunk(b"iTXt", b"XML:com.adobe.xmp", bytes(4) + parts["xmp"])
    (tmp_path / "a.png").write_bytes(pictures.png(RGB, 8, before=before))
    files = {"a.jpg": ("JPEG", {}), "a.webp": ("WEBP", {"lossless": True}), "a.tif": ("TIFF", {})}
    for file, (form, options) in files.items():
        more = {"tiffinfo": {700: parts["xmp"]}} if form == "TIFF" else {"exif": parts["exif"][:65000]}
        xmp = {} if form == "TIFF" else {"xmp": parts["xmp"][:65000]}
        (tmp_path / file).write_bytes(pictures.saved(RGB, form, **options, **more, **xmp))
    for file in ("a.png", *files):
        signal = read_image(tmp_path / file)
        assert signal.shape == RGB.shape[:2]
        assert sum(map(len, signal.metadata.values())) <= MAX_METADATA
        assert signal.metadata == {} or name in PARTLY_VALID


@pytest.mark.filterwarnings("ignore:Metadata Warning, tag .* had too many entries")  # of another type, as they were
@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(0, len(BLOCK) - 1), st.integers(0, 255)), max_size=12), st.booleans())
def test_damaged_exif_is_written_as_valid_exif(changes, cut):
    """Any block: what is written is read by Pillow without a warning, and keeps its meaning when it is read again."""
    block = bytearray(BLOCK)
    for at, value in changes:
        block[at] = value
    if cut:
        del block[changes[0][0] if changes else 0 :]
    kept = parse(bytes(block))
    if kept:
        written = kept.block()
        assert parse(written) == kept
        for order in "<>":
            assert kept.ordered(order).ordered(kept.order) == kept
        loaded = Image.Exif()
        loaded.load(written)
        for tag in (EXIF, GPS, INTEROP):
            dict(loaded.get_ifd(tag))
        dict(loaded)


def test_metadata_has_a_limit():
    with pytest.raises(SettingError, match="metadata"):
        fftool.Signal(RGB, metadata={"exif": bytes(MAX_METADATA + 1)})
