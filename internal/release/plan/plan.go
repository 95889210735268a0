// Package plan reads .goreleaser.yaml, the one description of how a release is built.
//
// Invariants: the file is read strictly. platctl carries out a subset of what goreleaser can, and a key outside of it is
// an error that names the key and its line: a build that silently skips a step its description asks for is a different
// build. The same holds for template fields. Nothing here runs anything.
package plan

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/platctl/platctl/internal/base/fault"
)

// FileName is where the description stands, at the root of the repository.
const FileName = ".goreleaser.yaml"

// Plan is the subset of a goreleaser configuration that platctl carries out.
type Plan struct {
	Version     int       `yaml:"version"`
	ProjectName string    `yaml:"project_name"`
	Builds      []Build   `yaml:"builds"`
	Archives    []Archive `yaml:"archives"`
	Checksum    Checksum  `yaml:"checksum"`
}

// Build is one program for a number of targets.
type Build struct {
	ID      string   `yaml:"id"`
	Main    string   `yaml:"main"`
	Binary  string   `yaml:"binary"`
	Env     []string `yaml:"env"`
	GOOS    []string `yaml:"goos"`
	GOARCH  []string `yaml:"goarch"`
	Flags   []string `yaml:"flags"`
	LDFlags []string `yaml:"ldflags"`
}

// Archive is how a binary is packed.
type Archive struct {
	Formats      []string `yaml:"formats"`
	NameTemplate string   `yaml:"name_template"`
	Files        []string `yaml:"files"`
}

// Checksum is the file of digests.
type Checksum struct {
	NameTemplate string `yaml:"name_template"`
	Algorithm    string `yaml:"algorithm"`
}

// Read reads the plan of the repository at root.
func Read(root string) (*Plan, error) {
	file := filepath.Join(root, FileName)
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Config, "%s does not exist; it describes what a release is built from", file).
			WithHint("run platctl at the root of the repository")
	}
	if err != nil {
		return nil, fault.Wrap(err, fault.Config, "%s can't be read", file)
	}
	p, err := Parse(data)
	if err != nil {
		return nil, fault.Op(FileName, err)
	}
	return p, nil
}

// Parse reads a plan, fills in goreleaser's defaults and checks that platctl can carry it out.
func Parse(data []byte) (*Plan, error) {
	var p Plan
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&p); err != nil && !errors.Is(err, io.EOF) {
		return nil, malformed(err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.Config, "it holds more than one YAML document")
	}
	p.fillIn()
	return &p, p.check()
}

// unknownField is how yaml.v3 reports a key that no struct has.
var unknownField = regexp.MustCompile(`line (\d+): field (\S+) not found in type \S+`)

func malformed(err error) error {
	if m := unknownField.FindStringSubmatch(err.Error()); m != nil {
		return fault.New(fault.Config, "line %s: platctl does not carry out the key %q", m[1], m[2]).WithCode("unknown_key").
			WithHint("remove it, or build with goreleaser itself")
	}
	return fault.New(fault.Config, "%s", strings.ReplaceAll(err.Error(), "\n ", ""))
}

func (p *Plan) fillIn() {
	if len(p.Archives) == 0 {
		p.Archives = []Archive{{}}
	}
	for i := range p.Archives {
		a := &p.Archives[i]
		if len(a.Formats) == 0 {
			a.Formats = []string{"tar.gz"}
		}
		if a.NameTemplate == "" {
			a.NameTemplate = "{{.ProjectName}}_{{.Version}}_{{.Os}}_{{.Arch}}"
		}
	}
	if p.Checksum.NameTemplate == "" {
		p.Checksum.NameTemplate = "checksums.txt"
	}
	if p.Checksum.Algorithm == "" {
		p.Checksum.Algorithm = "sha256"
	}
	for i := range p.Builds {
		if p.Builds[i].Binary == "" {
			p.Builds[i].Binary = p.ProjectName
		}
	}
}

func (p *Plan) check() error {
	switch {
	case p.Version != 2:
		return fault.New(fault.Config, "version is %d; platctl reads version 2", p.Version)
	case !regexp.MustCompile(`^[a-z][a-z0-9-]*$`).MatchString(p.ProjectName):
		return fault.New(fault.Config, "project_name %q is not a name of small letters, digits and hyphens", p.ProjectName)
	case len(p.Builds) != 1:
		return fault.New(fault.Config, "it has %d builds; platctl carries out exactly one", len(p.Builds))
	case len(p.Archives) != 1 || !slices.Equal(p.Archives[0].Formats, []string{"tar.gz"}):
		return fault.New(fault.Config, "archives: platctl writes one archive, of the format tar.gz")
	case p.Checksum.Algorithm != "sha256":
		return fault.New(fault.Config, "checksum.algorithm %q: platctl writes sha256", p.Checksum.Algorithm)
	}
	if err := p.Builds[0].check(); err != nil {
		return err
	}
	for _, f := range p.Archives[0].Files {
		if !filepath.IsLocal(f) || strings.ContainsAny(f, "*?[{") {
			return fault.New(fault.Config, "archives.files: %q is not a plain path inside the repository", f)
		}
	}
	return p.checkTemplates()
}

func (b *Build) check() error {
	switch {
	case b.Main == "" || !filepath.IsLocal(strings.TrimPrefix(b.Main, "./")):
		return fault.New(fault.Config, "builds.main %q is not a package inside the repository", b.Main)
	case b.Binary != filepath.Base(b.Binary) || !filepath.IsLocal(b.Binary):
		return fault.New(fault.Config, "builds.binary %q is not a plain file name", b.Binary)
	case len(b.GOOS) == 0 || len(b.GOARCH) == 0:
		return fault.New(fault.Config, "builds.goos and builds.goarch name no target")
	}
	for _, e := range b.Env {
		if k, _, ok := strings.Cut(e, "="); !ok || k == "" {
			return fault.New(fault.Config, "builds.env: %q is not KEY=VALUE", e)
		}
	}
	return nil
}

// checkTemplates expands everything once, so that a wrong field is found before anything is built.
func (p *Plan) checkTemplates() error {
	sample := Values{Version: "0.0.0", Commit: "0", Date: "0", OS: "linux", Arch: "amd64", ProjectName: p.ProjectName}
	b := p.Builds[0]
	for key, list := range map[string][]string{
		"builds.flags": b.Flags, "builds.ldflags": b.LDFlags, "builds.env": b.Env,
		"archives.name_template": {p.Archives[0].NameTemplate}, "checksum.name_template": {p.Checksum.NameTemplate},
	} {
		for _, t := range list {
			got, err := sample.Expand(t)
			if err != nil {
				return fault.Op(key, err)
			}
			if strings.HasSuffix(key, "name_template") && (got != filepath.Base(got) || !filepath.IsLocal(got)) {
				return fault.New(fault.Config, "%s: %q is not a plain file name", key, got)
			}
		}
	}
	return nil
}
