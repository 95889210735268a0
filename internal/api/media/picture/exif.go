package picture

import "encoding/binary"

// orientation returns the tag Orientation of the first directory of TIFF data, as EXIF has it. It is 1, upright, where the
// tag is absent or anything is odd: a wrong turn shows a picture, an error would lose it.
func orientation(tiff []byte) int {
	const (
		tagOrientation = 0x0112
		typeShort      = 3
		entrySize      = 12
	)
	if len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch string(tiff[:4]) {
	case "II*\x00":
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	at := int64(order.Uint32(tiff[4:]))
	if at < 8 || at+2 > int64(len(tiff)) {
		return 1
	}
	entries := int64(order.Uint16(tiff[at:]))
	for i := range entries {
		e := at + 2 + i*entrySize
		if e+entrySize > int64(len(tiff)) {
			break
		}
		if order.Uint16(tiff[e:]) != tagOrientation {
			continue
		}
		v := order.Uint16(tiff[e+8:])
		if order.Uint16(tiff[e+2:]) != typeShort || order.Uint32(tiff[e+4:]) != 1 || v < 1 || v > 8 {
			break
		}
		return int(v)
	}
	return 1
}
