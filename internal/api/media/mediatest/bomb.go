package mediatest

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
)

// chunk returns a chunk of a PNG.
func chunk(kind string, body []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	out = append(append(out, kind...), body...)
	return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[4:]))
}

func ihdr(w, h uint32, depth, colour byte) []byte {
	body := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
	return chunk("IHDR", append(body, depth, colour, 0, 0, 0))
}

const pngHead = "\x89PNG\r\n\x1a\n"

// PNGChunk puts a chunk behind the header of a PNG.
func PNGChunk(pngs []byte, kind string, body []byte) []byte {
	const at = len(pngHead) + 12 + 13
	return append(append(bytes.Clone(pngs[:at]), chunk(kind, body)...), pngs[at:]...)
}

// PNGHeader returns a PNG that promises w by h pixels and holds none.
func PNGHeader(w, h uint32) []byte {
	out := append([]byte(pngHead), ihdr(w, h, 8, 6)...)
	return append(append(out, chunk("IDAT", nil)...), chunk("IEND", nil)...)
}

// Blank returns a PNG of w by h transparent pixels: a thousandth of its pixels in bytes.
func Blank(w, h int) []byte { return blank(w, h, 8) }

// Blank16 is Blank with 16 bits for each sample, which is the most memory that a picture of its size takes.
func Blank16(w, h int) []byte { return blank(w, h, 16) }

func blank(w, h, depth int) []byte {
	var z bytes.Buffer
	c, err := zlib.NewWriterLevel(&z, zlib.BestSpeed)
	must(err)
	row := make([]byte, 1+w*4*depth/8)
	for range h {
		_, err := c.Write(row)
		must(err)
	}
	must(c.Close())
	out := append([]byte(pngHead), ihdr(uint32(w), uint32(h), byte(depth), 6)...)
	return append(append(out, chunk("IDAT", z.Bytes())...), chunk("IEND", nil)...)
}

// Deep returns a PNG that promises w by h pixels of 16 bytes while they are decoded: 64 bits each, interlaced.
func Deep(w, h uint32) []byte {
	head := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)
	out := append([]byte(pngHead), chunk("IHDR", append(head, 16, 6, 0, 0, 1))...)
	return append(append(out, chunk("IDAT", nil)...), chunk("IEND", nil)...)
}

// Pieces returns a PNG with n empty chunks.
func Pieces(pngs []byte, n int) []byte {
	const at = len(pngHead) + 12 + 13
	return append(append(bytes.Clone(pngs[:at]), bytes.Repeat(chunk("teXt", nil), n)...), pngs[at:]...)
}

// AnimatedWebP marks a WebP as animated.
func AnimatedWebP(webp []byte) []byte {
	anim := []byte("ANIM\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	out := append(append(bytes.Clone(webp[:12]), anim...), webp[12:]...)
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out
}

// segment returns a segment of a JPEG.
func segment(marker byte, body ...byte) []byte {
	return append([]byte{0xff, marker, byte((len(body) + 2) >> 8), byte(len(body) + 2)}, body...)
}

// JPEGHeader returns a JPEG that promises w by h pixels and holds none.
func JPEGHeader(w, h uint16) []byte {
	out := append([]byte{0xff, 0xd8}, segment(0xc0, 8, byte(h>>8), byte(h), byte(w>>8), byte(w), 1, 1, 0x11, 0)...)
	return append(out, segment(0xda, 1, 1, 0x00, 0, 63, 0)...)
}

// Scans returns a progressive JPEG, gray, of n passes. The first gives each block its brightness; each of the others says in 30
// bytes that nothing changes, and costs a decoder a walk over every block.
func Scans(w, h, n int) []byte {
	blocks := ((w + 7) / 8) * ((h + 7) / 8)
	out := []byte{0xff, 0xd8}
	out = append(out, segment(0xdb, append([]byte{0}, bytes.Repeat([]byte{1}, 64)...)...)...)
	out = append(out, segment(0xc2, 8, byte(h>>8), byte(h), byte(w>>8), byte(w), 1, 1, 0x11, 0)...)
	// One code of one bit each: DC "no difference", AC "the next 2^14 blocks and more end here".
	one := append([]byte{1}, make([]byte, 15)...)
	out = append(out, segment(0xc4, append(append([]byte{0x00}, one...), 0x00)...)...)
	out = append(out, segment(0xc4, append(append([]byte{0x10}, one...), 0xe0)...)...)
	out = append(append(out, segment(0xda, 1, 1, 0x00, 0, 0, 0)...), make([]byte, (blocks+7)/8)...)
	scan := append(segment(0xda, 1, 1, 0x00, 1, 63, 0), endOfBlocks(blocks)...)
	for range n - 1 {
		out = append(out, scan...)
	}
	return append(out, 0xff, 0xd9)
}

// endOfBlocks codes runs of empty blocks: a zero for the code, then 14 bits of how many beyond 16,384. A run that says more than
// are left is fine: the last is as long as can be without an FF among its bytes.
func endOfBlocks(blocks int) []byte {
	var bits []byte
	for ; blocks > 0; blocks -= 1 << 14 {
		bits = append(bits, make([]byte, 15)...)
	}
	for len(bits)%8 != 0 {
		bits = append(bits, 0)
	}
	return make([]byte, len(bits)/8)
}
