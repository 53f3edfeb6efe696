#!/usr/bin/env python3
"""Writes tests/golden/images_pillow.txt: small image files, and their pixels as Pillow reads them.

Usage: python3 -m pip install pillow
       scripts/golden/images_pillow.py > tests/golden/images_pillow.txt

A line is: name, worst difference allowed (0 but for lossy formats), width and height and RGB bytes of the upright image
(ImageOps.exif_transpose), width and height and bytes of the stored one, the file. Bytes are in hexadecimal.
"""
import io
import struct

import PIL
from PIL import Image, ImageOps

TAG = 0x0112


def picture(w, h, mode="RGB", seed=1):
    state, out = seed, bytearray()
    for _ in range(w * h * len(Image.new(mode, (1, 1)).getbands())):
        state = (state * 1664525 + 1013904223) % 2**32
        out.append(state >> 24)
    return Image.frombytes(mode, (w, h), bytes(out))


def show(im):
    im = im.convert("RGB")
    return "%d %d %s" % (*im.size, im.tobytes().hex())


def emit(name, data, worst=0):
    stored, upright = Image.open(io.BytesIO(data)), Image.open(io.BytesIO(data))
    print(name, worst, show(ImageOps.exif_transpose(upright)), show(stored), data.hex())


def saved(im, form, **how):
    f = io.BytesIO()
    im.save(f, form, **how)
    return f.getvalue()


def exif(orientation, order="<", kind=3):
    """A block with one tag, behind another one."""
    value = struct.pack(order + ("HH" if kind == 3 else "I"), *((orientation, 0) if kind == 3 else (orientation,)))
    return ((b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8) + struct.pack(order + "H", 2)
            + struct.pack(order + "HHI4s", 0x0100, 4, 1, b"\0\0\0\0") + struct.pack(order + "HHI", TAG, kind, 1) + value
            + struct.pack(order + "I", 0))


def orientations():
    im = picture(5, 3)
    for o in range(1, 9):
        order = "<>"[o % 2]
        emit("exif%d.png" % o, saved(im, "PNG", exif=exif(o, order)))
        emit("exif%d.jpg" % o, saved(im, "JPEG", quality=100, subsampling=0, exif=b"Exif\0\0" + exif(o, order)), 3)
    emit("long.png", saved(im, "PNG", exif=exif(6, ">", 4)))
    for value in (0, 9, 65535):  # as if absent
        emit("value%d.png" % value, saved(im, "PNG", exif=exif(value)))
    emit("none.jpg", saved(im, "JPEG", quality=100, subsampling=0), 3)


def bmp(bits, rows, width, height, compression=0, palette=b"", masks=b"", header=40):
    """Kinds that Pillow reads but does not write. Rows are as they stand in the file."""
    start = 14 + header + len(palette) + (len(masks) if header == 40 else 0)
    head = struct.pack("<IiiHHIIiiII", header, width, height, 1, bits, compression, 0, 0, 0, len(palette) // 4, 0)
    if header > 40:
        head += (masks + b"\0\0\0\xff").ljust(header - 40, b"\0")
    else:
        head += masks
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + head + palette + rows


def bmps():
    emit("24.bmp", saved(picture(5, 3), "BMP"))
    emit("32.bmp", saved(picture(5, 3, "RGBA"), "BMP"))
    emit("palette.bmp", saved(picture(7, 3).quantize(11), "BMP"))
    emit("grey.bmp", saved(picture(6, 4, "L"), "BMP"))
    rows = picture(8, 6, "RGBA").tobytes()
    emit("top.bmp", bmp(32, rows[:96], 4, -6))
    emit("colours.bmp", bmp(8, bytes(i % 5 for i in range(24)), 4, 6, palette=rows[:20]))
    masks = struct.pack("<III", 0xFF0000, 0xFF00, 0xFF)
    emit("bgr_masks.bmp", bmp(32, rows[:96], 4, 6, 3, masks=masks))
    emit("v4.bmp", bmp(32, rows[:96], 4, 6, 3, masks=struct.pack("<III", 0xFF, 0xFF00, 0xFF0000), header=108))
    emit("v5.bmp", bmp(32, rows[:96], 4, -6, 3, masks=masks, header=124))


def tiffs():
    for compression in (None, "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        emit("%s.tif" % compression, saved(picture(5, 3), "TIFF", compression=compression))
    emit("rgba.tif", saved(picture(5, 3, "RGBA"), "TIFF"))
    emit("grey.tif", saved(picture(5, 3, "L"), "TIFF"))
    emit("palette.tif", saved(picture(7, 3).quantize(11), "TIFF"))
    emit("bits.tif", saved(picture(11, 3, "L").convert("1"), "TIFF"))
    im = picture(5, 3)
    for o in range(1, 9):  # Pillow itself reads them upright only
        data = saved(im, "TIFF", tiffinfo={TAG: o})
        assert Image.open(io.BytesIO(data)).getexif()[TAG] == o
        tagged = im.copy()
        tagged.getexif()[TAG] = o
        print("exif%d.tif" % o, 0, show(ImageOps.exif_transpose(tagged)), show(im), data.hex())


def webps():
    emit("lossless.webp", saved(picture(9, 5), "WEBP", lossless=True))
    emit("alpha.webp", saved(picture(9, 5, "RGBA"), "WEBP", lossless=True, exact=True))
    emit("lossy.webp", saved(picture(19, 15), "WEBP", quality=60), 1)
    emit("lossy_alpha.webp", saved(picture(19, 15, "RGBA"), "WEBP", quality=90), 1)
    emit("exif6.webp", saved(picture(9, 5), "WEBP", lossless=True, exif=exif(6)))
    emit("exif7.webp", saved(picture(9, 5), "WEBP", lossless=True, exif=b"Exif\0\0" + exif(7, ">")))


print("# Pillow", PIL.__version__)
orientations()
bmps()
tiffs()
webps()
