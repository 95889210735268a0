package picture

// walkGIF counts frames. The decoder stops behind the first; the count is capped all the same, because the file is a bomb for
// whoever gets it next.
func walkGIF(data []byte) (facts, error) {
	x := facts{bitsPerPixel: 16} // one byte a pixel, and as much again when it is interlaced
	g := gifReader{data: data, at: 6}
	g.skipScreen()
	for pieces := 0; ; pieces++ {
		if pieces > maxChunks {
			return x, tooManyPieces()
		}
		switch g.next() {
		case 0x2c: // a frame
			x.frames++
			if x.frames > maxFrames {
				return x, nil
			}
			g.skipFrame()
		case 0x21: // an extension: its label, then blocks
			g.at++
			g.skipBlocks()
		default: // the trailer, the end, or what is none of ours
			return x, nil
		}
	}
}

// gifReader moves over a GIF. Beyond its end it reads zeros, which are neither a frame nor a block.
type gifReader struct {
	data []byte
	at   int
}

func (g *gifReader) next() byte {
	if g.at >= len(g.data) {
		return 0
	}
	g.at++
	return g.data[g.at-1]
}

// skipScreen skips the logical screen and its colours.
func (g *gifReader) skipScreen() {
	g.at += 4
	g.skipColours(g.next())
	g.at += 2
}

// skipColours skips the table that flags announces, which begins two bytes behind the flags of the screen. Only the sum of
// all skips matters, so the order does not.
func (g *gifReader) skipColours(flags byte) {
	if flags&0x80 != 0 {
		g.at += 3 << (flags&7 + 1)
	}
}

// skipFrame skips a frame's place, its colours and its pixels.
func (g *gifReader) skipFrame() {
	g.at += 8
	g.skipColours(g.next())
	g.at++ // the width of the first code
	g.skipBlocks()
}

func (g *gifReader) skipBlocks() {
	for n := g.next(); n != 0; n = g.next() {
		g.at += int(n)
	}
}
