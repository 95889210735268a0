package sbom

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"io"
	"os"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/anchore/packageurl-go"
	"github.com/google/uuid"

	"github.com/platctl/platctl/internal/base/fault"
)

// Format is what Generate writes, as the release manifest names it.
const Format = "CycloneDX 1.6"

// Options says who writes and where licences are looked up.
type Options struct {
	Tool     string // version of the platctl that writes
	ModCache string // module cache with the licence texts; empty: no licence is known
}

// Document is one bill of materials.
type Document struct {
	Bytes   []byte
	Summary Summary
}

// Summary is what a person wants to know about a document.
type Summary struct {
	Format          string         `json:"format"`
	Serial          string         `json:"serial"`
	Time            string         `json:"time,omitempty"`
	Component       string         `json:"component"`
	Version         string         `json:"version,omitempty"`
	SHA256          string         `json:"sha256"` // of the binary
	Modules         int            `json:"modules"`
	Licences        []LicenceCount `json:"licences"`
	UnknownLicences []string       `json:"unknown_licences"` // modules whose licence was not found
}

// LicenceCount says how many modules carry a licence; one with two licences counts for both.
type LicenceCount struct {
	Licence string `json:"licence"`
	Modules int    `json:"modules"`
}

// Generate describes the binary of t.
func Generate(ctx context.Context, t Target, o Options) (*Document, error) {
	doc, err := generate(ctx, t, o)
	if err != nil {
		return nil, fault.Op("generate SBOM", err)
	}
	return doc, nil
}

func generate(ctx context.Context, t Target, o Options) (*Document, error) {
	info, err := buildinfo.ReadFile(t.Path)
	if err != nil {
		return nil, fault.Wrap(err, fault.Unsupported, "%s has no Go build information", t.Path)
	}
	sum, err := digest(t.Path)
	if err != nil {
		return nil, fault.Wrap(err, fault.Failed, "%s can't be read", t.Path)
	}
	modules, err := catalog(ctx, t.Path, info.Main.Path, o.ModCache)
	if err != nil {
		return nil, err
	}
	if missing := missing(info, modules); missing != "" {
		return nil, fault.New(fault.Internal, "the cataloguer left out %s, which is in %s", missing, t.Path)
	}
	main := mainComponent(info, t, sum)
	bom := document(main, modules, docTime(info, t.Facts.Time), o.Tool)
	data, err := encode(bom)
	if err != nil {
		return nil, err
	}
	return &Document{Bytes: data, Summary: summarise(bom, main, modules, sum)}, nil
}

// missing returns a module that the linker recorded and modules lacks, or "". A bill that leaves something out is worse
// than none.
func missing(info *debug.BuildInfo, modules []Module) string {
	listed := map[string]bool{}
	for _, m := range modules {
		listed[m.Path] = true
	}
	for _, d := range info.Deps {
		fork := d.Replace != nil && listed[d.Replace.Path]
		if !fork && !listed[d.Path] && d.Path != info.Main.Path {
			return d.Path
		}
	}
	return ""
}

func digest(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// docTime returns the time of the document: what the caller knows, else the commit time in the binary, else none.
func docTime(info *debug.BuildInfo, known time.Time) string {
	if !known.IsZero() {
		return known.UTC().Format(time.RFC3339)
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.time" {
			if at, err := time.Parse(time.RFC3339, s.Value); err == nil {
				return at.UTC().Format(time.RFC3339)
			}
		}
	}
	return ""
}

func mainComponent(info *debug.BuildInfo, t Target, sum string) cdx.Component {
	version := cmp.Or(t.Facts.Version, strings.TrimPrefix(info.Main.Version, "v"))
	if version == "(devel)" {
		version = ""
	}
	c := cdx.Component{
		Type: cdx.ComponentTypeApplication, BOMRef: "main", Name: path.Base(cmp.Or(info.Path, info.Main.Path)), Version: version,
		Hashes: &[]cdx.Hash{{Algorithm: cdx.HashAlgoSHA256, Value: sum}},
	}
	if info.Main.Path != "" {
		sub := strings.TrimPrefix(strings.TrimPrefix(info.Path, info.Main.Path), "/")
		v := version
		if v != "" {
			v = "v" + v
		}
		c.PackageURL = packageurl.NewPackageURL("golang", path.Dir(info.Main.Path), path.Base(info.Main.Path), v, nil, sub).ToString()
	}
	return c
}

func document(main cdx.Component, modules []Module, at, tool string) *cdx.BOM {
	components := make([]cdx.Component, len(modules))
	deps := make([]cdx.Dependency, 1, len(modules)+1)
	refs := make([]string, len(modules))
	for i, m := range modules {
		components[i] = cdx.Component{Type: cdx.ComponentTypeLibrary, BOMRef: m.PURL, Name: m.Path, Version: m.Version,
			PackageURL: m.PURL, Licenses: choices(m.Licences)}
		refs[i] = m.PURL
		deps = append(deps, cdx.Dependency{Ref: m.PURL})
	}
	deps[0] = cdx.Dependency{Ref: main.BOMRef, Dependencies: &refs}
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Timestamp: at, Component: &main, Tools: &cdx.ToolsChoice{Components: &[]cdx.Component{
		{Type: cdx.ComponentTypeApplication, Name: "platctl", Version: tool},
	}}}
	bom.Components = &components
	bom.Dependencies = &deps
	bom.Compositions = &[]cdx.Composition{{
		Aggregate: cdx.CompositionAggregateIncomplete, Dependencies: &[]cdx.BOMReference{cdx.BOMReference(main.BOMRef)},
	}}
	return bom
}

// choices writes licences as CycloneDX wants them: a list of ids and names, or one expression. Several licence texts in a
// module all apply, hence AND.
func choices(licences []string) *cdx.Licenses {
	if len(licences) == 0 {
		return nil
	}
	if slices.ContainsFunc(licences, func(l string) bool { return strings.ContainsAny(l, " (+") }) {
		terms := make([]string, len(licences))
		for i, l := range licences {
			terms[i] = l
			if len(licences) > 1 && strings.Contains(l, " ") {
				terms[i] = "(" + l + ")"
			}
		}
		return &cdx.Licenses{{Expression: strings.Join(terms, " AND ")}}
	}
	out := make(cdx.Licenses, len(licences))
	for i, l := range licences {
		if name, ok := strings.CutPrefix(l, "LicenseRef-"); ok {
			out[i].License = &cdx.License{Name: name}
			continue
		}
		out[i].License = &cdx.License{ID: l}
	}
	return &out
}

// encode writes bom with a serial number that is a UUIDv5 of everything else in it.
func encode(bom *cdx.BOM) ([]byte, error) {
	body, err := write(bom)
	if err != nil {
		return nil, err
	}
	space := uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://github.com/platctl/platctl/sbom"))
	bom.SerialNumber = "urn:uuid:" + uuid.NewSHA1(space, body).String()
	return write(bom)
}

func write(bom *cdx.BOM) ([]byte, error) {
	var buf bytes.Buffer
	enc := cdx.NewBOMEncoder(&buf, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false)
	if err := enc.EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		return nil, fault.Wrap(err, fault.Internal, "encoding")
	}
	return buf.Bytes(), nil
}

func summarise(bom *cdx.BOM, main cdx.Component, modules []Module, sum string) Summary {
	s := Summary{Format: Format, Serial: bom.SerialNumber, Time: bom.Metadata.Timestamp, Component: main.Name,
		Version: main.Version, SHA256: sum, Modules: len(modules), Licences: []LicenceCount{}, UnknownLicences: []string{}}
	count := map[string]int{}
	for _, m := range modules {
		for _, l := range m.Licences {
			count[l]++
		}
		if len(m.Licences) == 0 {
			s.UnknownLicences = append(s.UnknownLicences, m.Path)
		}
	}
	for l, n := range count {
		s.Licences = append(s.Licences, LicenceCount{Licence: l, Modules: n})
	}
	slices.SortFunc(s.Licences, func(a, b LicenceCount) int {
		return cmp.Or(cmp.Compare(b.Modules, a.Modules), strings.Compare(a.Licence, b.Licence))
	})
	return s
}
