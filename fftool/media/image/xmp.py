"""XMP (ISO 16684-1): a document in XML, kept without what tells about the stored pixels and about other data beside."""

from __future__ import annotations

from contextlib import suppress
from xml.dom import minidom

from fftool.config import MAX_METADATA

MAX_MARKS = 50_000  # "<" in a document: each element takes a kilobyte of memory
PACKET = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>{}<?xpacket end="w"?>'

_ADOBE = "http://ns.adobe.com/"
_GOOGLE = "http://ns.google.com/photos/1.0/"
OF_PIXELS = {
    f"{_ADOBE}tiff/1.0/": {
        *("Orientation", "ImageWidth", "ImageLength", "BitsPerSample", "Compression", "PhotometricInterpretation"),
        *("SamplesPerPixel", "PlanarConfiguration", "YCbCrSubSampling", "YCbCrPositioning", "YCbCrCoefficients"),
        *("WhitePoint", "PrimaryChromaticities", "TransferFunction", "ReferenceBlackWhite", "NativeDigest"),
    },
    f"{_ADOBE}exif/1.0/": {
        *("PixelXDimension", "PixelYDimension", "ColorSpace", "CompressedBitsPerPixel", "SubjectArea"),
        *("SubjectLocation", "FocalPlaneXResolution", "FocalPlaneYResolution", "FocalPlaneResolutionUnit"),
        *("MakerNote", "NativeDigest"),
    },
    f"{_ADOBE}photoshop/1.0/": {"ColorMode", "ICCProfile"},
    f"{_ADOBE}xap/1.0/": {"Thumbnails"},
}
# Of data in the same file, which a rendering does not have: further XMP, depth, gain maps for HDR, short films.
BESIDE = {
    f"{_ADOBE}xmp/note/",
    f"{_ADOBE}hdr-gain-map/1.0/",
    "http://ns.apple.com/HDRGainMap/1.0/",
    *(f"{_GOOGLE}{name}/" for name in ("audio", "camera", "container", "container/item", "depthmap", "image")),
}


def clean(data: bytes) -> bytes | None:
    """The document that is kept of another one; None if that one is not well-formed, too long or of an unusual kind."""
    if len(data) > MAX_METADATA:
        return None
    with suppress(Exception):  # of many types: for encodings, syntax, depth
        text = data.decode("utf-8-sig").strip("\0 \t\r\n")
        if text.count("<") <= MAX_MARKS and "<!DOCTYPE" not in text:  # which could let a few bytes stand for gigabytes
            document = minidom.parseString(text)
            for element in document.getElementsByTagName("*"):
                _clean(element)
            if document.documentElement:
                return PACKET.format(document.documentElement.toxml()).encode()
    return None


def _clean(element: minidom.Element) -> None:
    for attribute in list(element.attributes.values()):
        if _is_dropped(attribute):
            element.removeAttributeNode(attribute)
    if _is_dropped(element) and element.parentNode:
        element.parentNode.removeChild(element)


def _is_dropped(node: minidom.Element | minidom.Attr) -> bool:
    namespace = node.namespaceURI
    return namespace in BESIDE or node.localName in OF_PIXELS.get(namespace or "", ())
