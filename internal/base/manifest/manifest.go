// Package manifest is what a release says about itself: the release manifest and the SQL contract, both made by
// release and read by migrate and deploy.
//
// Invariants: immutable facts only. Verdicts, proofs and times of deployment live in the ledger. Marshal is
// deterministic, so the same facts give the same bytes and the same digest.
package manifest

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/platctl/platctl/internal/base/durable"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/format"
)

// FileName is the name of the manifest in a release directory.
const FileName = "manifest.json"

// maxBytes is far beyond any manifest, which has a few kilobytes.
const maxBytes = 4 << 20

// Manifest is the release manifest, schema platctl.manifest/v1.
type Manifest struct {
	Schema     string     `json:"schema"`
	App        string     `json:"app"`
	Version    string     `json:"version"` // semantic version without "v"
	Git        Git        `json:"git"`
	Built      Built      `json:"built"`
	Artifacts  []Artifact `json:"artifacts"`
	SBOM       *Digest    `json:"sbom,omitempty"`
	Provenance *Digest    `json:"provenance,omitempty"`
	Database   Database   `json:"database"`
	Contract   *Contract  `json:"sql_contract,omitempty"`
	ConfigKeys []string   `json:"config_keys"`
	Start      Start      `json:"start"`
}

// Git names the sources.
type Git struct {
	SHA    string `json:"sha"`
	Branch string `json:"branch,omitempty"`
	Dirty  bool   `json:"dirty"`
	Time   string `json:"time,omitempty"` // commit time, RFC 3339 UTC
}

// Built says how the binaries were made.
type Built struct {
	Go    string   `json:"go"`
	Flags []string `json:"flags"`
}

// Artifact is one file of the release, with a path relative to the manifest.
type Artifact struct {
	Kind   string `json:"kind"` // binary, archive, checksums, sbom, config
	Path   string `json:"path"`
	Size   int64  `json:"size"` // bytes
	SHA256 string `json:"sha256"`
	OS     string `json:"os,omitempty"`
	Arch   string `json:"arch,omitempty"`
}

// Digest points at a document of the release.
type Digest struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Format string `json:"format"`
}

// Database is the range of schema versions the release runs on. Zero means no database.
type Database struct {
	BuiltFor int64 `json:"built_for"`
	Min      int64 `json:"min"`
	Max      int64 `json:"max"`
}

// Contract points at the SQL contract.
type Contract struct {
	Path       string `json:"path"`
	SHA256     string `json:"sha256"`
	Statements int    `json:"statements"`
}

// Start says how to run the release: Command[0] is relative to the manifest. The host appends its own flags.
type Start struct {
	Command []string `json:"command"`
}

// Schema is the format's name and version.
func Schema() format.Schema { return format.Schema{Name: "platctl.manifest", Version: 1} }

// Marshal returns the canonical bytes of m: indented JSON, lists that have no order sorted, a newline at the end.
func (m Manifest) Marshal() ([]byte, error) {
	m.Schema = Schema().String()
	m.Artifacts, m.ConfigKeys = slices.Clone(m.Artifacts), slices.Clone(m.ConfigKeys)
	slices.SortStableFunc(m.Artifacts, func(a, b Artifact) int { return strings.Compare(a.Path, b.Path) })
	slices.Sort(m.ConfigKeys)
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(m); err != nil {
		return nil, fault.Op("write manifest", err)
	}
	return buf.Bytes(), nil
}

// Parse reads a manifest and checks that every path stays inside the release.
func Parse(data []byte) (*Manifest, error) {
	var m Manifest
	if err := Schema().Decode(data, &m); err != nil {
		return nil, fault.Op("read manifest", err)
	}
	if m.Version == "" || m.App == "" {
		return nil, fault.New(fault.Invalid, "manifest names no app or no version")
	}
	if len(m.Start.Command) == 0 {
		return nil, fault.New(fault.Invalid, "manifest of %s %s has no start command", m.App, m.Version)
	}
	for _, p := range m.paths() {
		if !filepath.IsLocal(p) {
			return nil, fault.New(fault.Invalid, "manifest of %s %s: path %q leaves the release", m.App, m.Version, p)
		}
	}
	return &m, nil
}

// ReadDir reads the manifest of a release directory.
func ReadDir(dir string) (*Manifest, error) {
	m, _, err := ReadDirRaw(dir)
	return m, err
}

// ReadDirRaw is ReadDir that returns the manifest's bytes too, whose digest identifies the release.
func ReadDirRaw(dir string) (*Manifest, []byte, error) {
	data, err := durable.ReadFile(filepath.Join(dir, FileName), maxBytes)
	if err != nil {
		return nil, nil, fault.Wrap(err, fault.NotFound, "%s is not a release directory", dir).
			WithHint("`platctl release build` makes one")
	}
	m, err := Parse(data)
	return m, data, err
}

func (m *Manifest) paths() []string {
	out := []string{m.Start.Command[0]}
	for _, a := range m.Artifacts {
		out = append(out, a.Path)
	}
	for _, d := range []*Digest{m.SBOM, m.Provenance} {
		if d != nil {
			out = append(out, d.Path)
		}
	}
	if m.Contract != nil {
		out = append(out, m.Contract.Path)
	}
	return out
}
