package manifest_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/golden"
	"github.com/platctl/platctl/internal/base/manifest"
)

// full is a contract with everything that came after the first release of the format.
func full() manifest.SQLContract {
	c := contract()
	c.App, c.BuiltOn, c.Server = "market", 12, 15
	s := &c.Statements[0]
	s.Columns[0].From = "public.post.id"
	s.Updates, s.Deletes, s.Indirect, s.Conflicts = []string{"public.post"}, []string{"public.draft"}, []string{"public.feed"}, []string{"public.post_key"}
	s.Uses = []manifest.Use{{Relation: "public.feed", Columns: []string{"*"}}, {Relation: "public.post", Columns: []string{"author", "body", "id"}}}
	s.Functions, s.Types = []string{"public.feed_post()"}, []string{"public.mood"}
	c.Facts = []manifest.Fact{{Kind: "column", Object: "public.post.id", Fact: "type bigint"}, {Kind: "column", Object: "public.post.id", Fact: "not null"}}
	return c
}

// What an earlier platctl wrote as version 1 stays readable as it is (sqlcontract.v1.json); this is what is written now.
func TestContractWithFacts(t *testing.T) {
	t.Parallel()
	got, err := full().Marshal()
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "testdata/sqlcontract.v1.facts.json", got, *update)
	back, err := manifest.ParseContract(got)
	if err != nil {
		t.Fatal(err)
	}
	want := full()
	want.Schema = manifest.ContractSchema().String()
	want.Statements[0], want.Statements[1] = want.Statements[1], want.Statements[0]
	want.Facts[0], want.Facts[1] = want.Facts[1], want.Facts[0]
	if !reflect.DeepEqual(*back, want) {
		t.Errorf("got  %+v\nwant %+v", *back, want)
	}
	old, err := manifest.ParseContract(read(t, "sqlcontract.v1.json"))
	if err != nil || old.Facts != nil || old.Statements[1].Uses != nil {
		t.Errorf("a contract of before: %+v, %v", old, err)
	}
}

func TestReadContractRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "contract.json")
	if _, err := manifest.ReadContract(file); !errors.Is(err, fault.NotFound) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(file, []byte(`{"schema":"platctl.sqlcontract/v1","statements":[{"name":`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := manifest.ReadContract(file); !errors.Is(err, fault.Invalid) {
		t.Errorf("a cut-off file: %v", err)
	}
	huge := append([]byte(`{"schema":"platctl.sqlcontract/v1"}`), bytes.Repeat([]byte(" "), manifest.MaxContractBytes)...)
	if _, err := manifest.ParseContract(huge); !errors.Is(err, fault.TooLarge) {
		t.Errorf("a huge document: %v", err)
	}
}
