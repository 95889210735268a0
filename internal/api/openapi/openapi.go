// Package openapi holds the contract: openapi.yaml is the source, oas/ the server and client generated from it, and the
// portal that shows it to people.
//
// Invariant: a route exists exactly when the spec has it. The spec stays inside what ogen enforces; spec_test.go names
// each construct that ogen would accept and ignore.
package openapi

import (
	"bytes"
	"compress/gzip"
	_ "embed" // the spec and the portal's page
	"io"
	"io/fs"
	"net/http"
	"strings"

	swagger "github.com/swaggest/swgui/v5/static"
)

//go:embed openapi.yaml
var spec []byte

//go:embed portal/index.html
var index []byte

//go:embed portal/portal.js
var script []byte

// Spec returns openapi.yaml.
func Spec() []byte { return spec }

// The paths of the spec and its portal. They are the only ones outside the spec.
const (
	SpecPath   = "/api/openapi.yaml"
	PortalPath = "/api/docs/"
)

// Portal returns the handler of SpecPath and of everything under PortalPath; wrongMethod answers what is neither GET nor
// HEAD. It needs nothing from the network: the page's scripts are embedded, and its content security policy allows no others.
func Portal(wrongMethod http.Handler) *http.ServeMux {
	mux := http.NewServeMux()
	for path, h := range map[string]http.Handler{
		SpecPath:                            content("application/yaml; charset=utf-8", spec),
		PortalPath + "{$}":                  content("text/html; charset=utf-8", index),
		PortalPath + "portal.js":            content("text/javascript; charset=utf-8", script),
		PortalPath + "swagger-ui.css":       packed("text/css; charset=utf-8", "swagger-ui.css.gz"),
		PortalPath + "swagger-ui-bundle.js": packed("text/javascript; charset=utf-8", "swagger-ui-bundle.js.gz"),
		"/api/docs":                         http.RedirectHandler(PortalPath, http.StatusMovedPermanently),
	} {
		mux.Handle("GET "+path, h)
		mux.Handle(path, wrongMethod)
	}
	return mux
}

func content(mime string, body []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		head(w, mime)
		_, _ = w.Write(body)
	})
}

// packed serves an embedded gzip file, unpacking it for the rare client that can't.
func packed(mime, name string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := fs.ReadFile(swagger.FS, name)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		head(w, mime)
		w.Header().Set("Vary", "Accept-Encoding")
		if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(data)
			return
		}
		zr, err := gzip.NewReader(bytes.NewReader(data))
		if err == nil {
			_, _ = io.Copy(w, zr)
		}
	})
}

func head(w http.ResponseWriter, mime string) {
	h := w.Header()
	h.Set("Content-Type", mime)
	h.Set("Cache-Control", "public, max-age=300")
	h.Set("Content-Security-Policy",
		"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'")
}
