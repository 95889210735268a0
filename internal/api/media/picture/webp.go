package picture

import (
	"bytes"
	"encoding/binary"
)

const riffHeader = 12

// walkWebP follows the chunks of the RIFF container.
func walkWebP(data []byte) (facts, error) {
	x := facts{frames: 1, bitsPerPixel: 12} // lossy: 4:2:0
	end := min(int64(len(data)), int64(binary.LittleEndian.Uint32(data[4:]))+8)
	for i, chunks := int64(riffHeader), 0; i+8 <= end; chunks++ {
		if chunks > maxChunks {
			return x, tooManyPieces()
		}
		n := int64(binary.LittleEndian.Uint32(data[i+4:]))
		body := data[i+8 : min(i+8+n, end)]
		switch string(data[i : i+4]) {
		case "ANIM", "ANMF":
			x.animated = true
		case "VP8L":
			x.bitsPerPixel = 72 // four bytes, as much again for indexed colour, and the transforms
		case "ALPH":
			x.bitsPerPixel += 80 // decoded as a picture of its own
		case "EXIF":
			x.exif = bytes.TrimPrefix(body, []byte("Exif\x00\x00"))
		}
		i += 8 + n + n&1
	}
	return x, nil
}
