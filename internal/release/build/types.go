package build

import (
	"time"

	"github.com/platctl/platctl/internal/base/manifest"
	"github.com/platctl/platctl/internal/release/sbom"
)

// Options says what to build, from what, into what.
type Options struct {
	Root       string // the repository, with .goreleaser.yaml
	Dist       string // where releases are built; relative to Root
	Version    string // semantic version without "v"
	Config     string // a configuration that becomes part of the release; may be empty
	Contract   string // the SQL contract, relative to Root; left out when the file does not exist
	Migrations string // the folder of migrations, relative to Root; no database when it does not exist
	MinSchema  int64  // the oldest schema the release runs on; 0: the newest migration, which promises least
	ConfigKeys []string
	Replace    bool      // an existing release of this version with other content
	Epoch      time.Time // the time to stamp; zero: the commit's
	SBOM       sbom.Options
	Report     func(step, detail string) // called as each step starts; may be nil
}

// State says what Run found and did.
type State string

// The states of a Result.
const (
	Planned      State = "planned"       // nothing was done
	Built        State = "built"         // the release is new
	AlreadyBuilt State = "already_built" // it existed with the same content
	Replaced     State = "replaced"      // it existed with other content, which is gone
)

// Result is a release as it was planned or built.
type Result struct {
	State    State               `json:"state"`
	Version  string              `json:"version"`
	Dir      string              `json:"dir"`
	Git      manifest.Git        `json:"git"`
	Time     string              `json:"time"` // stamped into the binary and the SBOM
	OS       string              `json:"os"`
	Arch     string              `json:"arch"`
	Command  []string            `json:"command"` // the compilation
	Start    []string            `json:"start"`   // how the release is started
	Database manifest.Database   `json:"database"`
	Files    []manifest.Artifact `json:"files"` // empty when only planned
	Modules  int                 `json:"modules,omitempty"`
}
