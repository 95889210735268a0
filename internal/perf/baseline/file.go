package baseline

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/platctl/platctl/internal/base/durable"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/perf/k6"
)

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// CheckName returns an error unless name can be the name of a baseline and of its file.
func CheckName(name string) error {
	if namePattern.MatchString(name) && !strings.HasSuffix(name, ".invalid") {
		return nil
	}
	return fault.New(fault.Usage, "%.80q is no name for a baseline", name).
		WithHint("lower-case letters, digits, dots, dashes and underscores, at most 64; not ending in .invalid")
}

// Path returns the file of the baseline called name below the folder perf.dir.
func Path(dir, name string) string { return filepath.Join(dir, "baselines", name+".json") }

// InvalidPath returns where an invalid measurement goes that was meant for path: beside it, so that it never replaces a
// baseline that can be trusted.
func InvalidPath(path string) string { return strings.TrimSuffix(path, ".json") + ".invalid.json" }

// Encode returns the file's bytes and sets the id. Keys are sorted, so the same content gives the same bytes.
func (b *Baseline) Encode() ([]byte, error) {
	b.ID = ""
	raw, err := json.Marshal(b)
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, "a baseline can't be encoded")
	}
	content, err := generic(raw)
	if err != nil {
		return nil, err
	}
	if b.ID, err = digest(content); err != nil {
		return nil, err
	}
	content["id"] = b.ID
	return encode(content, "  ")
}

// Decode reads a baseline and checks it: its version, its id and every histogram. The id covers fields that a newer
// platctl wrote and this one does not know.
func Decode(data []byte) (*Baseline, error) {
	var b Baseline
	if err := Schema().Decode(data, &b); err != nil {
		return nil, err
	}
	content, err := generic(data)
	if err != nil {
		return nil, err
	}
	if id, err := digest(content); err != nil || id != b.ID {
		return nil, fault.New(fault.Invalid, "the baseline was changed after it was written: its id does not match its content").
			WithHint("measure again with `platctl perf baseline`")
	}
	for _, r := range b.Runs {
		for name, e := range r.Endpoints {
			same := k6.Endpoint{OK: k6.Outcome{N: e.OK.N, HDR: e.OK.HDR}, Failed: e.Failed, ByStatus: e.ByStatus}
			if err := same.Check(); err != nil {
				return nil, fault.Wrap(err, fault.Invalid, "baseline: scenario %.80q, endpoint %.80q", r.Scenario, name)
			}
		}
	}
	return &b, nil
}

// maxBytes is far beyond any baseline: histograms are packed, an endpoint takes a few kilobytes.
const maxBytes = 64 << 20

// Read reads the baseline in a file.
func Read(path string) (*Baseline, error) {
	data, err := durable.ReadFile(path, maxBytes)
	if err != nil {
		return nil, fault.Op("read baseline", fault.Wrap(err, fault.Unavailable, "%s can't be read", path))
	}
	b, err := Decode(data)
	return b, fault.Op("read baseline "+path, err)
}

// Write puts the baseline into path, whole or not at all, and makes the folder.
func (b *Baseline) Write(path string) error {
	data, err := b.Encode()
	if err == nil {
		err = replace(path, data)
	}
	return fault.Op("write baseline", err)
}

// CheckWritable makes the folder of path and returns an error when no file can be put there: a measurement takes minutes,
// so this is found out before it.
func CheckWritable(path string) error {
	if fi, err := os.Stat(path); err == nil && fi.IsDir() {
		return fault.New(fault.Usage, "%s is a folder; a baseline is a file", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fault.Wrap(err, fault.Failed, "the folder of %s can't be made", path)
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return fault.Wrap(err, fault.Failed, "%s can't be written", path)
	}
	tmp.Close()
	return fault.Op("check "+path, os.Remove(tmp.Name()))
}

// replace swaps the file in one step. The lock on the folder is held for the moment of writing: durable wants one writer.
func replace(path string, data []byte) error {
	if err := CheckWritable(path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err == nil {
		defer dir.Close()
		err = syscall.Flock(int(dir.Fd()), syscall.LOCK_EX)
	}
	if err == nil {
		err = durable.WriteFile(path, data, 0o644)
	}
	if err != nil {
		return fault.Wrap(err, fault.Failed, "%s can't be written; what was there is unchanged", path)
	}
	return nil
}

// generic decodes a document into maps, numbers as they are written.
func generic(data []byte) (map[string]any, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var content map[string]any
	if err := dec.Decode(&content); err != nil {
		return nil, fault.Wrap(err, fault.Invalid, "not a baseline")
	}
	return content, nil
}

// digest is the id: the sha256 of the canonical form (sorted keys, no white space, numbers as written) without the id.
func digest(content map[string]any) (string, error) {
	id, had := content["id"]
	delete(content, "id")
	canonical, err := encode(content, "")
	if had {
		content["id"] = id
	}
	sum := sha256.Sum256(bytes.TrimSuffix(canonical, []byte("\n")))
	return "sha256:" + hex.EncodeToString(sum[:]), err
}

// encode writes maps with sorted keys, which is how encoding/json writes every map.
func encode(content map[string]any, indent string) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", indent)
	err := enc.Encode(content)
	return buf.Bytes(), err
}
