package seed

import (
	"image"
	"image/color"

	"github.com/platctl/platctl/internal/api/media"
	"github.com/platctl/platctl/internal/api/media/picture"
)

// canvas is a picture being drawn, with smooth edges and in integer arithmetic. Lengths count in thousandths of its height.
type canvas struct{ *image.RGBA }

func newCanvas(w, h int) canvas { return canvas{image.NewRGBA(image.Rect(0, 0, w, h))} }

func (c canvas) px(thousandths int) int { return thousandths * c.Rect.Dy() / 1000 }

// mix lays ink over a pixel; cover is how much of it, of 256.
func (c canvas) mix(x, y int, ink color.RGBA, cover int) {
	cover = min(max(cover, 0), 256)
	p := c.Pix[c.PixOffset(x, y):][:4]
	for i, v := range []uint8{ink.R, ink.G, ink.B, 255} {
		p[i] = uint8((int(v)*cover + int(p[i])*(256-cover)) / 256)
	}
}

// sky fills everything, from one colour above to another below.
func (c canvas) sky(above, below color.RGBA) {
	h := c.Rect.Dy()
	for y := range h {
		for x := range c.Rect.Dx() {
			c.mix(x, y, above, 256)
			c.mix(x, y, below, 256*y/h)
		}
	}
}

// disc draws a circle around (x, y).
func (c canvas) disc(x, y, radius int, ink color.RGBA) {
	x, y, r := c.px(x), c.px(y), max(c.px(radius), 1)
	box := image.Rect(x-r-1, y-r-1, x+r+2, y+r+2).Intersect(c.Rect)
	for py := box.Min.Y; py < box.Max.Y; py++ {
		for px := box.Min.X; px < box.Max.X; px++ {
			c.mix(px, py, ink, 128+128*(r*r-(px-x)*(px-x)-(py-y)*(py-y))/r)
		}
	}
}

// hill draws ground whose top is at y, and higher by rise at x.
func (c canvas) hill(x, y, rise int, ink color.RGBA) {
	w, h := c.Rect.Dx(), c.Rect.Dy()
	for px := range w {
		off := px - c.px(x)
		top := 256 * (c.px(y) - c.px(rise) + c.px(rise)*off*off*2/(w*w))
		for py := max(top/256-1, 0); py < h; py++ {
			c.mix(px, py, ink, 256*py-top+256)
		}
	}
}

// motif is one of the pictures that a dataset shows: drawn, not photographed, so that it may be passed on.
type motif struct {
	w, h int // as large as it is shown
	draw func(c canvas, r *rng)
}

// size returns what the motif measures with the longer side given.
func (m motif) size(side int) media.Size {
	return media.Size{Width: m.w * side / max(m.w, m.h), Height: m.h * side / max(m.w, m.h)}
}

// bytes is what somebody would have sent, three bytes a pixel.
func (m motif) bytes() int64 { return int64(3 * m.w * m.h) }

// webp draws it. A motif is the same in every dataset.
func (m motif) webp(id int64, side int) ([]byte, error) {
	s := m.size(side)
	c := newCanvas(s.Width, s.Height)
	m.draw(c, newRNG(0, kindPicture, id))
	made, err := picture.Encode(c.RGBA)
	return made.WebP, err
}

// The longer sides of what is made of a motif: what a reader sees, and in a list.
const (
	large = 400
	thumb = 200
)

const (
	landscapes = 6
	portraits  = 8
)

// motifs lists them: one for each crop, then landscapes for posts, then portraits.
func motifs() []motif {
	var out []motif
	for _, c := range crops() {
		out = append(out, motif{large, large * 3 / 4, still(c)})
	}
	for range landscapes {
		out = append(out, motif{large, large * 3 / 4, landscape})
	}
	for range portraits {
		out = append(out, motif{large, large, portrait})
	}
	return out
}

func lighter(c color.RGBA, by int) color.RGBA {
	up := func(v uint8) uint8 { return uint8(min(int(v)+by, 255)) }
	return color.RGBA{up(c.R), up(c.G), up(c.B), 255}
}

// still shows a heap of something on a table.
func still(what crop) func(c canvas, r *rng) {
	return func(c canvas, r *rng) {
		c.sky(color.RGBA{238, 229, 210, 255}, color.RGBA{212, 196, 168, 255})
		c.hill(667, 700, 0, color.RGBA{150, 111, 74, 255})
		for i := range 12 {
			row := i / 5
			x, y := 330+150*(i%5)+70*row+r.below(30), 740-130*row+r.below(20)
			c.disc(x+8, y+14, 92, color.RGBA{112, 82, 54, 255})
			c.disc(x, y, 90, lighter(what.colour, r.below(30)))
			c.disc(x-28, y-30, 24, lighter(what.colour, 70))
		}
	}
}

// landscape shows hills under a sky, and perhaps the sun.
func landscape(c canvas, r *rng) {
	skies := []color.RGBA{{120, 180, 232, 255}, {245, 190, 140, 255}, {170, 190, 205, 255}}
	above := pick(r, skies)
	c.sky(above, lighter(above, 70))
	c.disc(150+r.below(1000), 150+r.below(200), 70, color.RGBA{255, 236, 160, 255})
	green := color.RGBA{90, 130, 95, 255}
	for i := range 4 {
		c.hill(r.below(1333), 620+110*i, 60+r.below(160), lighter(green, 20*i))
	}
	for i := range 9 { // trees in a row
		x, y := 80+150*i, 820+r.below(40)
		c.disc(x, y, 45, color.RGBA{52, 92, 60, 255})
		c.disc(x-10, y-14, 22, color.RGBA{78, 122, 82, 255})
	}
}

// portrait shows somebody from the shoulders up.
func portrait(c canvas, r *rng) {
	skins := []color.RGBA{{247, 213, 180, 255}, {224, 172, 125, 255}, {164, 112, 72, 255}, {105, 70, 48, 255}}
	hairs := []color.RGBA{{60, 40, 30, 255}, {150, 95, 40, 255}, {225, 190, 110, 255}, {170, 170, 172, 255}, {25, 22, 24, 255}}
	coats := []color.RGBA{{70, 110, 160, 255}, {165, 70, 66, 255}, {86, 128, 82, 255}, {190, 140, 60, 255}}
	back, skin, hair, coat := pick(r, coats), pick(r, skins), pick(r, hairs), pick(r, coats)
	c.sky(lighter(back, 90), lighter(back, 50))
	c.disc(500, 380, 250, hair)
	c.disc(500, 1090, 390, coat)
	c.disc(500, 460, 205, skin)
	for _, x := range []int{425, 575} {
		c.disc(x, 440, 22, color.RGBA{40, 34, 32, 255})
	}
	c.disc(500, 560, 40, color.RGBA{170, 80, 76, 255})
	c.disc(500, 545, 42, skin) // what is left of the mouth smiles
}
