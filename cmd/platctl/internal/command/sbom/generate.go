package sbom

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/cmd/platctl/internal/settings"
	"github.com/platctl/platctl/cmd/platctl/internal/term"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/release/sbom"
)

// GenerateResult is the data of `platctl sbom generate --json`.
type GenerateResult struct {
	sbom.Summary
	File     string          `json:"file,omitempty"`
	Document json.RawMessage `json:"document,omitempty"` // where --output is not given
}

// GenerateOptions is what `platctl sbom generate` needs.
type GenerateOptions struct {
	Streams  *term.Streams
	Settings func() (*settings.Settings, error)
	Printer  *output.Printer
	Tool     string // version of this platctl

	Target string
	Output string
}

func newGenerate(d *command.Deps) *cobra.Command {
	o := &GenerateOptions{Streams: d.Streams, Settings: d.Settings, Tool: d.Build.Version}
	cmd := command.New(command.Spec{
		Use:   "generate <binary | release directory> [--output FILE]",
		Short: "Write the bill of materials of a Go binary, as CycloneDX 1.6 JSON",
		Long: "Lists the modules in a Go binary, or in the binary that a release starts, with the licences found in the local module\n" +
			"cache. The document goes to FILE and a summary to stdout; without --output the document goes to stdout and the\n" +
			"summary to stderr. With --json stdout is always the envelope: it has the summary, and the document where\n" +
			"--output is not given. The same binary gives the same bytes; SOURCE_DATE_EPOCH sets the time of the document.\n" +
			"Container images, scripts and programs in other languages are not covered. Nothing goes to the network.",
		Example: `
			platctl sbom generate bin/platctl
			platctl sbom generate dist/1.2.3 --output sbom.cdx.json
			platctl sbom generate bin/platctl --json | jq -e '.data.unknown_licences | length == 0'`,
		Args:   cobra.ExactArgs(1),
		Result: GenerateResult{},
		Run: func(ctx context.Context, cmd *cobra.Command, args []string) error {
			o.Printer, o.Target = d.Printer(cmd), args[0]
			return runGenerate(ctx, o)
		},
	})
	cmd.Flags().StringVarP(&o.Output, "output", "o", "", "write the document to this file")
	return cmd
}

func runGenerate(ctx context.Context, o *GenerateOptions) error {
	s, err := o.Settings()
	if err != nil {
		return err
	}
	epoch, err := sbom.Epoch(s.Lookup)
	if err != nil {
		return err
	}
	target, err := sbom.Find(o.Target, epoch)
	if err != nil {
		return err
	}
	doc, err := sbom.Generate(ctx, target, sbom.Options{Tool: o.Tool, ModCache: sbom.ModCache(s.Lookup)})
	if err != nil {
		return err
	}
	res := GenerateResult{Summary: doc.Summary, File: o.Output}
	if o.Output == "" {
		res.Document = doc.Bytes
	} else if err := writeFile(o.Output, doc.Bytes); err != nil {
		return fault.Wrap(err, fault.Failed, "the document can't be written; %s is as it was", o.Output)
	}
	return o.Printer.Result(res, func(w io.Writer) error {
		if o.Output != "" {
			return summarise(w, res)
		}
		if _, err := w.Write(doc.Bytes); err != nil {
			return err
		}
		return summarise(o.Streams.Err, res)
	})
}

// writeFile replaces path in one step, so that a reader sees the old document or the new one.
func writeFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".sbom-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

func summarise(w io.Writer, r GenerateResult) error {
	version := r.Version
	if version == "" {
		version = "(no version recorded)"
	}
	fmt.Fprintf(w, "%s %s: %d modules, sha256 %s\n", r.Component, version, r.Modules, r.SHA256)
	const top = 6
	for _, l := range r.Licences[:min(top, len(r.Licences))] {
		fmt.Fprintf(w, "%6d  %s\n", l.Modules, l.Licence)
	}
	if more := len(r.Licences) - top; more > 0 {
		fmt.Fprintf(w, "        and %d other licences\n", more)
	}
	if n := len(r.UnknownLicences); n > 0 {
		fmt.Fprintf(w, "%6d  with a licence that was not found, first %s\n", n, r.UnknownLicences[0])
	}
	if r.File != "" {
		fmt.Fprintf(w, "%s written to %s\n", r.Format, r.File)
	}
	return nil
}
