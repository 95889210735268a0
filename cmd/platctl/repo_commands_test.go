package main

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/platctl/platctl/cmd/platctl/internal/cli"
	"github.com/platctl/platctl/cmd/platctl/internal/command"
	"github.com/platctl/platctl/cmd/platctl/internal/output"
	"github.com/platctl/platctl/cmd/platctl/internal/term"
	"github.com/platctl/platctl/internal/base/config"
	"github.com/platctl/platctl/internal/base/golden"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// commands returns every command that people see, parents before children. Cobra adds its own `completion` and `help` when
// it executes; their texts are cobra's.
func commands(t *testing.T) []*cobra.Command {
	t.Helper()
	top, _ := cli.NewRoot(&term.Streams{In: &bytes.Buffer{}, Out: &bytes.Buffer{}, Err: &bytes.Buffer{}}, nil)
	var out []*cobra.Command
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Hidden {
			return
		}
		out = append(out, c)
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(top)
	if len(out) < 4 {
		t.Fatalf("only %d commands found", len(out))
	}
	return out
}

func leaves(t *testing.T) []*cobra.Command {
	t.Helper()
	return slices.DeleteFunc(commands(t), (*cobra.Command).HasSubCommands)
}

// Help is the manual people have at three in the morning: it shows an easy, a real and a scripted line, and what a
// script can learn from the exit code.
func TestEveryCommandHelps(t *testing.T) {
	t.Parallel()
	for _, c := range leaves(t) {
		name := c.CommandPath()
		lines := strings.Split(strings.TrimSpace(c.Example), "\n")
		if len(lines) < 3 {
			t.Errorf("%s: %d example lines; it takes three: easy, real, scripted", name, len(lines))
		}
		for _, l := range lines {
			if !strings.HasPrefix(strings.TrimSpace(l), name) && !strings.HasPrefix(strings.TrimSpace(l), "platctl ") {
				t.Errorf("%s: example %q does not start with platctl", name, strings.TrimSpace(l))
			}
		}
		if !strings.Contains(c.Example, name) {
			t.Errorf("%s: no example shows the command itself", name)
		}
		if !strings.Contains(c.Long, "Exit codes:") || !strings.Contains(c.Long, "130  interrupted") {
			t.Errorf("%s: the help has no exit codes; make the command with command.New", name)
		}
		if head, _, _ := strings.Cut(c.Long, "Exit codes:"); len(strings.Fields(head)) < 6 {
			t.Errorf("%s: Long says too little about what it does and does not do", name)
		}
	}
}

// A flag without a description is a riddle; a flag for a key that does not exist sets nothing.
func TestEveryFlagAndCommandIsDescribed(t *testing.T) {
	t.Parallel()
	keys := map[string]bool{}
	for _, f := range config.Fields("") {
		keys[f.Key] = true
	}
	for _, c := range commands(t) {
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: Short is %q; it is one line without a full stop", c.CommandPath(), c.Short)
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" || strings.HasSuffix(f.Usage, ".") {
				t.Errorf("%s: --%s is described as %q; it is one line without a full stop", c.CommandPath(), f.Name, f.Usage)
			}
			if k := f.Annotations[command.KeyAnnotation]; len(k) > 0 && !keys[k[0]] {
				t.Errorf("%s: --%s sets %s, which is no row of config.Fields", c.CommandPath(), f.Name, k[0])
			}
		})
	}
}

// Who looks for the code of `platctl config show` types the path: command/config/show.go.
func TestThePathOfAFileIsTheCommandLine(t *testing.T) {
	t.Parallel()
	for _, c := range leaves(t) {
		words := strings.Fields(strings.ReplaceAll(c.CommandPath(), "-", "_"))[1:]
		if len(words) == 1 {
			words = append(words, words[0])
		}
		file := path.Join("cmd/platctl/internal/command", path.Join(words...)+".go")
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, file), nil, 0)
		if err != nil {
			t.Errorf("%s must be defined in %s: %v", c.CommandPath(), file, err)
			continue
		}
		if !definesCommand(f, c.Name()) {
			t.Errorf("%s: no Use that starts with %q", file, c.Name())
		}
	}
}

func definesCommand(f *ast.File, name string) bool {
	found := false
	ast.Inspect(f, func(n ast.Node) bool {
		if kv, ok := n.(*ast.KeyValueExpr); ok {
			key, _ := kv.Key.(*ast.Ident)
			lit, isLit := kv.Value.(*ast.BasicLit)
			if key != nil && key.Name == "Use" && isLit {
				use, _ := strconv.Unquote(lit.Value)
				verb, _, _ := strings.Cut(use, " ")
				found = found || verb == name
			}
		}
		return !found
	})
	return found
}

// Scripts read --json: a field that changes its name or type breaks them silently, so every result is pinned, and a
// change of the golden file that is not an addition asks for a new version of the schema.
func TestResultFields(t *testing.T) {
	t.Parallel()
	none := strings.Join(output.Fields(command.NoResult{}), "\n")
	schema := regexp.MustCompile(`^platctl(\.[a-z0-9-]+)+/v[0-9]+$`)
	var b strings.Builder
	seen := map[string]bool{}
	for _, c := range leaves(t) {
		name := command.Schema(c)
		if !schema.MatchString(name) || seen[name] {
			t.Errorf("%s: schema %q is not platctl.<noun>.<verb>/v<N>, or another command has it", c.CommandPath(), name)
		}
		seen[name] = true
		fields, ok := command.Fields(c)
		if !ok {
			t.Errorf("%s: its Spec names no Result; a command without one says command.NoResult{}", c.CommandPath())
		}
		if fields == none {
			fields = "(prints no result)"
		}
		fmt.Fprintf(&b, "%s\n  %s\n", name, strings.ReplaceAll(fields, "\n", "\n  "))
	}
	golden.Check(t, "testdata/results.golden", []byte(b.String()), *update)
}

// Completion is cobra's own; what we owe is that it works without a configuration and prints nothing but the script.
func TestCompletion(t *testing.T) {
	t.Parallel()
	for shell, mark := range map[string]string{
		"bash": "__start_platctl", "zsh": "#compdef platctl", "fish": "complete -c platctl", "powershell": "Register-ArgumentCompleter",
	} {
		var out, conversation bytes.Buffer
		code := cli.Run(t.Context(), []string{"completion", shell}, &term.Streams{In: &bytes.Buffer{}, Out: &out, Err: &conversation},
			[]string{"PLATCTL_NO_SUCH_KEY=1"})
		if code != 0 || !strings.Contains(out.String(), mark) || conversation.Len() > 0 {
			t.Errorf("completion %s: exit %d, %d bytes, said %q", shell, code, out.Len(), conversation.String())
		}
	}
}
