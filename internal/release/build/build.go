package build

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/manifest"
	"github.com/platctl/platctl/internal/release/sbom"
)

// step is one part of a build.
type step struct {
	name string
	run  func(ctx context.Context, work string) error
}

// steps is the order of a build.
func (j *Job) steps() []step {
	return []step{
		{"compile", j.compileBinary},     // first: it fails most often
		{"copy", j.copyInputs},           // the configuration and the SQL contract, as they were read
		{"sbom", j.writeSBOM},            // needs the binary
		{"archive", j.writeArchive},      // needs the binary
		{"checksums", j.writeChecksums},  // covers everything before it
		{"manifest", j.writeTheManifest}, // last: a folder without it is no release
	}
}

// Run builds the release.
func (j *Job) Run(ctx context.Context) (*Result, error) {
	err := j.run(ctx)
	if ctx.Err() != nil {
		return nil, fault.New(fault.Canceled, "interrupted; nothing was published").WithHint("run the same command again")
	}
	if err != nil {
		return nil, fault.Op("build release", err)
	}
	return &j.Result, nil
}

func (j *Job) run(ctx context.Context) error {
	work, err := newWorkDir(filepath.Dir(j.final))
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	for _, s := range j.steps() {
		j.o.Report(s.name, "")
		if err := s.run(ctx, work); err != nil {
			return asFailed(s.name, err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	j.Result.State, err = publish(work, j.final, j.o.Replace)
	return err
}

// asFailed gives an error of the file system a kind; others have one.
func asFailed(step string, err error) error {
	if fault.KindOf(err) == fault.Internal {
		return fault.Wrap(err, fault.Failed, "step %s; nothing was published", step)
	}
	return err
}

func (j *Job) compileBinary(ctx context.Context, work string) error {
	// go changes to the root first, so the output has to be absolute.
	out, err := filepath.Abs(filepath.Join(work, filepath.FromSlash(j.binary)))
	if err != nil {
		return err
	}
	if err := j.compile.run(ctx, j.o.Root, out); err != nil {
		return err
	}
	info, err := buildinfo.ReadFile(out)
	if err != nil {
		return fault.Wrap(err, fault.Failed, "%s is not a program; is builds.main a main package?", j.compile.main)
	}
	j.m.Built.Go = info.GoVersion
	return j.add(work, "binary", j.binary)
}

func (j *Job) copyInputs(_ context.Context, work string) error {
	if j.config != nil {
		if err := os.WriteFile(filepath.Join(work, configName), j.config, 0o644); err != nil {
			return err
		}
		if err := j.add(work, "config", configName); err != nil {
			return err
		}
	}
	if j.contract == nil {
		return nil
	}
	file := filepath.Join(work, contractName)
	if err := os.WriteFile(file, j.contract, 0o644); err != nil {
		return err
	}
	var err error
	j.m.Contract.SHA256, _, err = fileDigest(file)
	return err
}

func (j *Job) writeSBOM(ctx context.Context, work string) error {
	t := sbom.Target{Path: filepath.Join(work, filepath.FromSlash(j.binary)), Facts: sbom.Facts{Version: j.o.Version, Time: j.at}}
	doc, err := sbom.Generate(ctx, t, j.o.SBOM)
	if err != nil {
		return err
	}
	j.Result.Modules = doc.Summary.Modules
	if err := os.WriteFile(filepath.Join(work, sbomName), doc.Bytes, 0o644); err != nil {
		return err
	}
	if err := j.add(work, "sbom", sbomName); err != nil {
		return err
	}
	j.m.SBOM = &manifest.Digest{Path: sbomName, SHA256: j.m.Artifacts[len(j.m.Artifacts)-1].SHA256, Format: sbom.Format}
	return nil
}

func (j *Job) writeArchive(_ context.Context, work string) error {
	entries := []entry{{name: filepath.Base(j.binary), from: filepath.Join(work, filepath.FromSlash(j.binary)), mode: 0o755}}
	for _, f := range j.extra {
		entries = append(entries, entry{name: f, from: filepath.Join(j.o.Root, f), mode: 0o644})
	}
	if err := writeArchive(filepath.Join(work, j.archive), entries, j.at); err != nil {
		return err
	}
	return j.add(work, "archive", j.archive)
}

// writeChecksums writes what `sha256sum -c` reads, over every file but the manifest, which names this one.
func (j *Job) writeChecksums(_ context.Context, work string) error {
	sums, err := digests(work)
	if err != nil {
		return err
	}
	lines := make([]string, 0, len(sums))
	for p, sum := range sums {
		lines = append(lines, fmt.Sprintf("%s  %s\n", sum, filepath.ToSlash(p)))
	}
	slices.SortFunc(lines, func(a, b string) int { return strings.Compare(a[64:], b[64:]) })
	if err := os.WriteFile(filepath.Join(work, j.checksum), []byte(strings.Join(lines, "")), 0o644); err != nil {
		return err
	}
	return j.add(work, "checksums", j.checksum)
}

func (j *Job) writeTheManifest(_ context.Context, work string) error {
	data, err := j.m.Marshal()
	if err != nil {
		return err
	}
	if _, err := manifest.Parse(data); err != nil {
		return err
	}
	j.Result.Files = j.m.Artifacts
	return os.WriteFile(filepath.Join(work, manifest.FileName), data, 0o644)
}

// add lists a file of the work folder in the manifest.
func (j *Job) add(work, kind, path string) error {
	sum, size, err := fileDigest(filepath.Join(work, filepath.FromSlash(path)))
	if err != nil {
		return err
	}
	a := manifest.Artifact{Kind: kind, Path: path, Size: size, SHA256: sum}
	if kind == "binary" || kind == "archive" {
		a.OS, a.Arch = runtime.GOOS, runtime.GOARCH
	}
	j.m.Artifacts = append(j.m.Artifacts, a)
	return nil
}
