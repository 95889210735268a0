package picture

import (
	"bytes"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"net/http"
	"strings"

	"golang.org/x/image/webp"
)

// Format is a kind of picture that is read, named by its media type.
type Format string

// The formats.
const (
	JPEG Format = "image/jpeg"
	PNG  Format = "image/png"
	WebP Format = "image/webp"
	GIF  Format = "image/gif"
)

// Formats returns what is read.
func Formats() []Format { return []Format{JPEG, PNG, WebP, GIF} }

const sniffed = 512 // bytes that decide what a file is

// Sniff tells the format by the first bytes, and fails when it is none of ours or not the declared one. An empty declared
// type declares nothing. It decodes nothing, so the server calls it while the bytes arrive.
func Sniff(head []byte, declared string) (Format, error) {
	found := Format(http.DetectContentType(head[:min(len(head), sniffed)]))
	want := Format(strings.ToLower(strings.TrimSpace(declared)))
	if want == "image/jpg" {
		want = JPEG
	}
	for _, f := range Formats() {
		if f != found {
			continue
		}
		if want != "" && want != found {
			return found, reject(TypeMismatch, "it was announced as %s and is %s", want, found)
		}
		return found, nil
	}
	if len(head) == 0 {
		return "", reject(Corrupt, "it is empty")
	}
	return "", reject(UnsupportedType, "it is none of JPEG, PNG, WebP and GIF")
}

// config reads the size from the header with the decoder that will read the pixels.
func (f Format) config(data []byte) (image.Config, error) {
	r := bytes.NewReader(data)
	switch f {
	case JPEG:
		return jpeg.DecodeConfig(r)
	case PNG:
		return png.DecodeConfig(r)
	case WebP:
		return webp.DecodeConfig(r)
	}
	return gif.DecodeConfig(r)
}

// decode reads the pixels; of an animated GIF the first frame.
func (f Format) decode(data []byte) (image.Image, error) {
	r := bytes.NewReader(data)
	switch f {
	case JPEG:
		return jpeg.Decode(r)
	case PNG:
		return png.Decode(r)
	case WebP:
		m, err := webp.Decode(r)
		return studioRange(m), err
	}
	return gif.Decode(r)
}
