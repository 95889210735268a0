package picture

import "encoding/binary"

const pngSignature = 8

// walkPNG follows the chunks. The decoder reads none beyond IEND.
func walkPNG(data []byte) (facts, error) {
	x := facts{frames: 1}
	for i, chunks := pngSignature, 0; i+12 <= len(data); chunks++ {
		if chunks > maxChunks {
			return x, tooManyPieces()
		}
		n := int64(binary.BigEndian.Uint32(data[i:]))
		kind := string(data[i+4 : i+8])
		end := int64(i) + 12 + n
		if end > int64(len(data)) {
			break // cut short: the decoder will say so
		}
		body := data[i+8 : end-4]
		switch kind {
		case "IHDR":
			x.bitsPerPixel = pngBits(body)
		case "fcTL":
			x.frames++
		case "eXIf":
			x.exif = body
		case "IEND":
			return x, nil
		}
		i = int(end)
	}
	return x, nil
}

// pngBits is what image/png allocates for a pixel. Interlaced, its seven passes are pictures of their own first.
func pngBits(ihdr []byte) int64 {
	if len(ihdr) < 13 {
		return 0
	}
	depth, colour, interlaced := ihdr[8], ihdr[9], ihdr[12] != 0
	bits := int64(32) // colour of 8 bits is kept in four bytes
	switch {
	case depth == 16:
		bits = 64
	case colour == 3: // palette
		bits = 8
	}
	if interlaced {
		bits *= 2
	}
	return bits
}
