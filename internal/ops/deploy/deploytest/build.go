package deploytest

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/platctl/platctl/internal/base/manifest"
)

// Marker is the environment variable by which a test binary knows that it runs as the release program.
const Marker = "PLATCTL_TEST_AS"

// Build writes a release directory whose program is the test binary itself, behind a two-line script. database says
// whether it has migrations.
func Build(dir, app, program string, b Behaviour, database bool) error {
	behaviour, err := json.Marshal(b)
	if err != nil {
		return err
	}
	files := map[string][]byte{
		"bin/run.sh":     fmt.Appendf(nil, "#!/bin/sh\n%s=release exec '%s' \"$@\"\n", Marker, program),
		"behaviour.json": behaviour,
	}
	m := manifest.Manifest{App: app, Version: b.Version, Start: manifest.Start{Command: []string{"bin/run.sh", "serve"}}}
	if database {
		m.Database.BuiltFor = 1
	}
	if err := os.MkdirAll(filepath.Join(dir, "bin"), 0o755); err != nil {
		return err
	}
	for name, data := range files {
		kind := "config"
		if name == "bin/run.sh" {
			kind = "binary"
		}
		sum := sha256.Sum256(data)
		m.Artifacts = append(m.Artifacts, manifest.Artifact{Kind: kind, Path: name, Size: int64(len(data)), SHA256: hex.EncodeToString(sum[:])})
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o755); err != nil {
			return err
		}
	}
	raw, err := m.Marshal()
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, manifest.FileName), raw, 0o644)
}
