// Package k6 finds and runs the k6 that has platctl's extension, and reads the summary it writes.
//
// Invariants: k6 is another program under another licence (AGPL), so it is only ever executed, never imported. A binary is
// used after it answered the handshake, never because of its name. Its environment is made here from nothing, so no K6_*
// variable or k6 configuration of the user changes a measurement, and it contacts no host but the target. When the
// context ends, k6 gets SIGINT and then SIGKILL; no k6 outlives platctl.
package k6

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/platctl/platctl/internal/base/fault"
)

// BuildCommand builds our k6 from a checkout.
const BuildCommand = "make k6"

// handshakeTimeout is generous: the answer takes 20 ms on an idle machine.
const handshakeTimeout = 20 * time.Second

// Info is what a k6 says about itself.
type Info struct {
	Schema    string   `json:"schema"` // of the summaries it writes
	Extension string   `json:"extension"`
	K6        string   `json:"k6"`
	Scenarios []string `json:"scenarios"` // built in
}

// Binary is a k6 that answered the handshake.
type Binary struct {
	Path string
	Info Info
}

// Find returns the k6 to use: setting (the key perf.k6) or nothing else when it is not empty; then platctl-k6 or k6 beside the
// executable self; then the same names in the PATH. A k6 without our extension is passed over, and named in the error
// when there is no other.
func Find(ctx context.Context, setting, self string) (*Binary, error) {
	if setting != "" {
		b, err := handshake(ctx, setting)
		if err != nil {
			return nil, unavailable(err, "perf.k6 is %s: %s", setting, reason(err))
		}
		return b, nil
	}
	var passed []string
	for _, path := range candidates(self) {
		b, err := handshake(ctx, path)
		if err == nil {
			return b, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		passed = append(passed, path+" ("+reason(err)+")")
	}
	if len(passed) > 0 {
		return nil, unavailable(nil, "no k6 with platctl's extension; passed over %s", strings.Join(passed, ", "))
	}
	return nil, unavailable(nil, "no k6 with platctl's extension beside platctl or in the PATH")
}

func candidates(self string) []string {
	var found []string
	for _, name := range []string{"platctl-k6", "k6"} {
		beside := filepath.Join(filepath.Dir(self), name)
		if fi, err := os.Stat(beside); self != "" && err == nil && fi.Mode().IsRegular() {
			found = append(found, beside)
		}
	}
	for _, name := range []string{"platctl-k6", "k6"} {
		if path, err := exec.LookPath(name); err == nil && !slices.Contains(found, path) {
			found = append(found, path)
		}
	}
	return found
}

func unavailable(err error, format string, args ...any) error {
	if errors.Is(err, fault.Canceled) {
		return err
	}
	return fault.New(fault.Unavailable, format, args...).
		WithHint("build it in a checkout of platctl with `%s`, or name one with --k6", BuildCommand)
}

func reason(err error) string { return fault.From(err).Message }

// handshake asks the binary who it is.
func handshake(ctx context.Context, path string) (*Binary, error) {
	out, err := ask(ctx, path, "x", "platctl", "version", "--json")
	if err != nil {
		return nil, err
	}
	var info Info
	if err := json.Unmarshal(out, &info); err != nil {
		return nil, fault.New(fault.Unavailable, "its answer to `x platctl version --json` is not ours")
	}
	if _, err := SummarySchema().Accept(info.Schema); err != nil {
		return nil, err
	}
	return &Binary{Path: path, Info: info}, nil
}

// Scenario returns the source of a scenario that is built into the binary.
func (b *Binary) Scenario(ctx context.Context, name string) ([]byte, error) {
	if !slices.Contains(b.Info.Scenarios, name) {
		return nil, fault.New(fault.Usage, "there is no scenario %q; this k6 has %s", name, strings.Join(b.Info.Scenarios, ", "))
	}
	return ask(ctx, b.Path, "x", "platctl", "scenario", name)
}

// ask runs the binary for a short answer on its standard output.
func ask(ctx context.Context, path string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = environment(os.TempDir())
	cmd.WaitDelay = time.Second
	var out, conversation bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &conversation
	err := cmd.Run()
	switch {
	case err == nil:
		return out.Bytes(), nil
	case errors.Is(ctx.Err(), context.Canceled):
		return nil, fault.Wrap(ctx.Err(), fault.Canceled, "interrupted")
	case ctx.Err() != nil:
		return nil, fault.New(fault.Unavailable, "no answer in %s", handshakeTimeout)
	case errors.Is(err, os.ErrNotExist):
		return nil, fault.New(fault.Unavailable, "no such file")
	case errors.As(err, new(*exec.ExitError)):
		return nil, fault.New(fault.Unavailable, "it has no platctl extension")
	}
	return nil, fault.New(fault.Unavailable, "it can't be executed")
}

// environment is everything k6 gets to see. home is a folder without a k6 configuration.
func environment(home string) []string {
	return []string{
		"HOME=" + home, "XDG_CONFIG_HOME=" + home, "TMPDIR=" + os.TempDir(),
		"K6_NO_USAGE_REPORT=true",            // k6 reports runs and `x` subcommands
		"K6_AUTO_EXTENSION_RESOLUTION=false", // k6 fetches a catalogue for `x` and extensions for scripts
	}
}
