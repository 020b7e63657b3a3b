"""How the pixels of an instance are stored, as its Image Pixel Module says (PS3.3 C.7.6.3)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from dicomveil.reading import Instance

__all__ = ["MAX_FRAME_BYTES", "PixelLayout", "pixel_layout"]

#: A frame that says it is larger is not decoded: no scanner makes one, and a browser has 4 GB for everything.
MAX_FRAME_BYTES = 1 << 29
_FLOAT_TAGS = {0x7FE00008: 32, 0x7FE00009: 64}


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """How pixels lie in a frame: sizes in pixels, bytes and bits."""

    rows: int
    columns: int
    frames: int
    samples: int
    allocated: int
    stored: int
    signed: bool
    planar: bool
    photometric: str
    little: bool
    high: int = -1
    floating: bool = False

    @property
    def shift(self) -> int:
        """Bits below the stored value in its cell: High Bit + 1 - Bits Stored, PS3.5 8.1.1."""
        return max(self.high + 1 - self.stored, 0) if self.high >= 0 else 0

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample; 0 for single-bit pixels."""
        return self.allocated // 8

    @property
    def frame_bytes(self) -> int:
        """Bytes of one native frame; single-bit frames are not byte aligned, and have none of their own."""
        if self.photometric in {"YBR_FULL_422", "YBR_PARTIAL_422"}:
            return self.rows * self.columns * 2 * self.sample_bytes
        if self.photometric == "YBR_PARTIAL_420":
            return self.rows * self.columns * 3 // 2 * self.sample_bytes
        return self.rows * self.columns * self.samples * self.sample_bytes

    @property
    def total_bytes(self) -> int:
        """Bytes of all native frames, before padding to even length; 0 where the attributes do not tell."""
        if self.allocated % 8:  # single bits, and the packed cells of 12 bits of ACR-NEMA
            return (self.rows * self.columns * self.samples * self.frames * self.allocated + 7) // 8
        return self.frame_bytes * self.frames

    @property
    def decoded_bytes(self) -> int:
        """Bytes of one decoded frame."""
        return self.rows * self.columns * self.samples * max(self.sample_bytes, 1)

    @property
    def is_plausible(self) -> bool:
        """Tell whether a frame can be decoded at all: sizes and bits are there, and within bounds."""
        known = self.allocated in {1, 8, 16, 32, 64} and 0 < self.stored <= self.allocated
        return known and self.samples in {1, 3} and 0 < self.decoded_bytes <= MAX_FRAME_BYTES


def pixel_layout(instance: Instance) -> PixelLayout:
    """Read the Image Pixel Module (PS3.3 C.7.6.3)."""
    head = instance.head
    tag = instance.pixels.tag if instance.pixels else 0
    allocated = head.number(0x00280100)
    stored = head.number(0x00280101)
    if tag in _FLOAT_TAGS:  # Bits Stored and High Bit are not there, PS3.3 C.7.6.24
        allocated = stored = _FLOAT_TAGS[tag]
    layout = PixelLayout(
        rows=head.number(0x00280010),
        columns=head.number(0x00280011),
        frames=max(head.number(0x00280008, 1), 1),
        samples=head.number(0x00280002, 1),
        allocated=allocated,
        stored=stored,
        signed=head.number(0x00280103) == 1,
        planar=head.number(0x00280006) == 1,
        photometric=head.text(0x00280004).upper(),
        little=instance.encoding.little,
        high=head.number(0x00280102, stored - 1),
        floating=tag in _FLOAT_TAGS,
    )
    if layout.photometric == "YBR_FULL_422" and instance.pixels and not instance.pixels.encapsulated:
        # Ultrasound that was decompressed often says so although all samples are there: the length tells.
        whole = replace(layout, photometric="YBR_FULL")
        if instance.pixels.length == whole.total_bytes + whole.total_bytes % 2:
            return whole
    return layout
