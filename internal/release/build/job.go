package build

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/manifest"
	"github.com/platctl/platctl/internal/release/plan"
)

// names of what a release holds besides the binary and the archive.
const (
	configName   = "config.yaml"
	contractName = "sqlcontract.json"
	sbomName     = "sbom.cdx.json"
)

// Job is a release that is planned and can be built.
type Job struct {
	Result Result // as far as it is known before anything is built

	o        Options
	at       time.Time
	final    string
	binary   string // inside the release, with slashes
	archive  string
	checksum string
	extra    []string // files of the repository that go into the archive
	compile  compilation
	contract []byte // nil: none
	config   []byte // nil: none
	m        manifest.Manifest
}

// Plan reads everything a build depends on and checks it, without writing anything.
func Plan(ctx context.Context, o Options) (*Job, error) {
	j, err := newJob(ctx, o)
	if err != nil {
		return nil, fault.Op("plan release", err)
	}
	return j, nil
}

func newJob(ctx context.Context, o Options) (*Job, error) {
	if err := plan.CheckVersion(o.Version); err != nil {
		return nil, err
	}
	if o.Report == nil {
		o.Report = func(string, string) {}
	}
	p, err := plan.Read(o.Root)
	if err != nil {
		return nil, err
	}
	b := p.Builds[0]
	if !slices.Contains(b.GOOS, runtime.GOOS) || !slices.Contains(b.GOARCH, runtime.GOARCH) {
		return nil, fault.New(fault.Config, "%s does not build for %s/%s, which this machine is", plan.FileName, runtime.GOOS, runtime.GOARCH)
	}
	j := &Job{o: o, final: filepath.Join(within(o.Root, o.Dist), o.Version), binary: "bin/" + b.Binary, extra: p.Archives[0].Files}
	g, err := readGit(ctx, o.Root, within(o.Root, o.Dist))
	if err != nil {
		return nil, err
	}
	if err := j.stamp(p, g); err != nil {
		return nil, err
	}
	if err := j.readInputs(); err != nil {
		return nil, err
	}
	j.describe(p.ProjectName, g)
	return j, nil
}

// within returns path as seen from root, unless it is absolute.
func within(root, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(root, path)
}

// stamp decides the time of the release and everything that is made from a template.
func (j *Job) stamp(p *plan.Plan, g manifest.Git) error {
	j.at = j.o.Epoch
	if j.at.IsZero() {
		var err error
		if j.at, err = time.Parse(time.RFC3339, g.Time); err != nil {
			return fault.Wrap(err, fault.Internal, "commit time")
		}
	}
	v := plan.Values{Version: j.o.Version, Commit: g.SHA, Date: j.at.UTC().Format(time.RFC3339),
		OS: runtime.GOOS, Arch: runtime.GOARCH, ProjectName: p.ProjectName}
	names, err := v.ExpandAll([]string{p.Archives[0].NameTemplate, p.Checksum.NameTemplate})
	if err != nil {
		return err
	}
	j.archive, j.checksum = names[0]+".tar.gz", names[1]
	if slices.Contains([]string{manifest.FileName, sbomName, contractName, configName, j.archive, "bin"}, j.checksum) {
		return fault.New(fault.Config, "%s: checksum.name_template %q is the name of another file of a release", plan.FileName, j.checksum)
	}
	j.compile, err = newCompilation(p.Builds[0], v)
	return err
}

// readInputs reads the small files now, so that nothing a build needs is missing after minutes of compiling.
func (j *Job) readInputs() (err error) {
	if j.o.Config != "" {
		if j.config, err = os.ReadFile(j.o.Config); err != nil {
			return fault.Wrap(err, fault.Usage, "the configuration for the release can't be read")
		}
	}
	for _, f := range j.extra {
		if info, err := os.Stat(filepath.Join(j.o.Root, f)); err != nil || !info.Mode().IsRegular() {
			return fault.New(fault.Config, "%s: archives.files names %s, which is no file of the repository", plan.FileName, f)
		}
	}
	if j.contract, err = os.ReadFile(within(j.o.Root, j.o.Contract)); errors.Is(err, fs.ErrNotExist) || j.o.Contract == "" {
		j.contract, err = nil, nil
	}
	if err != nil {
		return fault.Wrap(err, fault.Config, "release.sql_contract")
	}
	if j.contract != nil {
		c, err := manifest.ParseContract(j.contract)
		if err != nil {
			return fault.Wrap(err, fault.Config, "release.sql_contract: %s", j.o.Contract).
				WithHint("generate it again, or point release.sql_contract at another file")
		}
		j.m.Contract = &manifest.Contract{Path: contractName, Statements: len(c.Statements)}
	}
	if j.o.Migrations != "" {
		j.m.Database, err = schemaRange(within(j.o.Root, j.o.Migrations), j.o.MinSchema)
	}
	return err
}

func (j *Job) describe(app string, g manifest.Git) {
	j.m.App, j.m.Version, j.m.Git = app, j.o.Version, g
	j.m.Built.Flags = append(slices.Clone(j.compile.args[1:]), j.compile.env...)
	j.m.ConfigKeys = j.o.ConfigKeys
	j.m.Start.Command = []string{j.binary, "serve"}
	if j.config != nil {
		j.m.Start.Command = append(j.m.Start.Command, "--config", configName)
	}
	j.Result = Result{State: Planned, Version: j.o.Version, Dir: j.final, Git: g, Time: j.at.UTC().Format(time.RFC3339),
		OS: runtime.GOOS, Arch: runtime.GOARCH, Command: j.compile.command(), Start: j.m.Start.Command,
		Database: j.m.Database, Files: []manifest.Artifact{}}
}
