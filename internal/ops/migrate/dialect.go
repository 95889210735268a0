package migrate

import (
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/platctl/platctl/internal/base/fault"
)

// dialect is how a file says what is up and what is down.
type dialect int

const (
	goose  dialect = iota // -- +goose Up, -- +goose Down, in one file
	dbmate                // -- migrate:up, -- migrate:down, in one file
	pair                  // golang-migrate: NUMBER_name.up.sql and NUMBER_name.down.sql
)

var dbmateUp = regexp.MustCompile(`(?m)^--\s*migrate:up\b`)

func dialectOf(text string) dialect {
	if !strings.Contains(text, "+goose Up") && dbmateUp.MatchString(text) {
		return dbmate
	}
	return goose
}

// mark reads a line that says what the next ones are, if it is one.
func (p *parser) mark(line string) (marked bool, err error) {
	if !p.block && p.split.lex.in != 0 {
		return false, nil // inside a string or a comment
	}
	switch p.dialect {
	case goose:
		if mark, ok := annotation(line, "+goose"); ok {
			return true, p.goose(mark, line)
		}
	case dbmate:
		for _, name := range []string{"up", "down"} {
			if options, ok := annotation(line, "migrate:"+name); ok {
				return true, p.dbmate(name, options)
			}
		}
	}
	return false, nil
}

func (p *parser) dbmate(name, options string) error {
	var err error
	section := &p.m.Up
	if name == "up" {
		err = p.beginUp("migrate:up")
	} else {
		section, err = &p.m.Down, p.beginDown("migrate:down", "migrate:up")
	}
	if err != nil {
		return err
	}
	for _, o := range strings.Fields(options) {
		switch o {
		case "transaction:true":
		case "transaction:false":
			section.Stepwise = true
		default:
			return p.fail("unknown option %q of migrate:%s", o, name)
		}
	}
	return nil
}

// halves are the two files of a golang-migrate migration.
type halves struct {
	up, down string
	hasUp    bool
}

// upOrDown returns the name of the migration that a file is half of.
func upOrDown(file, text string) (whole string, down, half bool) {
	if strings.Contains(text, "+goose Up") || dbmateUp.MatchString(text) {
		return "", false, false
	}
	if name, ok := strings.CutSuffix(file, ".up.sql"); ok {
		return name, false, true
	}
	name, ok := strings.CutSuffix(file, ".down.sql")
	return name, true, ok
}

// parsePair reads the two files of a migration. A missing or empty way down is none.
func parsePair(whole string, h halves, env Env) (*Migration, error) {
	if !h.hasUp {
		return nil, fault.New(fault.Invalid, "%s.down.sql has no %s.up.sql", whole, whole)
	}
	up, err := parseHalf(whole+".up.sql", h.up, env)
	if err != nil || h.down == "" {
		return up, err
	}
	down, err := parseHalf(whole+".down.sql", h.down, env)
	if err != nil {
		return nil, err
	}
	up.Down = down.Up
	for _, a := range down.Allows {
		a.Down = true
		up.Allows = append(up.Allows, a)
	}
	return up, nil
}

// parseHalf reads one direction. golang-migrate sends a file as one message, which is one transaction unless the file has its own;
// a statement that can't run in one stands alone in its file.
func parseHalf(name, text string, env Env) (*Migration, error) {
	p, err := newParser(strings.TrimSuffix(strings.TrimSuffix(name, ".up.sql"), ".down.sql")+".sql", pair, env)
	if err != nil {
		return nil, err
	}
	p.m.File = name
	p.begin(&p.m.Up)
	if err := p.read(text); err != nil {
		return nil, err
	}
	if err := p.endSection(); err != nil {
		return nil, err
	}
	up := &p.m.Up
	up.Stepwise = slices.ContainsFunc(up.Statements, func(st Statement) bool { return transactionControl(st.SQL) != "" }) ||
		len(up.Statements) == 1 && concurrent(up.Statements[0].SQL)
	return p.m, nil
}

// collect reads the files of a folder.
func collect(fsys fs.FS, names []string, env Env) ([]*Migration, error) {
	var all []*Migration
	pairs := map[string]halves{}
	for _, name := range names {
		data, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fault.Wrap(err, fault.Config, "%s can't be read", name)
		}
		text := string(data)
		if whole, down, half := upOrDown(name, text); half {
			h := pairs[whole]
			if down {
				h.down = text
			} else {
				h.up, h.hasUp = text, true
			}
			pairs[whole] = h
			continue
		}
		mg, err := parseFile(name, text, env)
		if err != nil {
			return nil, err
		}
		all = append(all, mg)
	}
	for whole, h := range pairs {
		mg, err := parsePair(whole, h, env)
		if err != nil {
			return nil, err
		}
		all = append(all, mg)
	}
	return all, nil
}
