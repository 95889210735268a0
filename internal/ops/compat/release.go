package compat

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"

	"github.com/platctl/platctl/internal/base/durable"
	"github.com/platctl/platctl/internal/base/fault"
	"github.com/platctl/platctl/internal/base/manifest"
)

// Release is one whose contract is known.
type Release struct {
	Name     string
	App      string
	Min      int64
	Contract *manifest.SQLContract
}

// ReadRelease reads the contract in a release directory. One without a contract has an empty one, which proves nothing; one that
// uses no database is nil.
func ReadRelease(dir string) (*Release, error) {
	m, err := manifest.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	r := &Release{Name: m.App + " " + m.Version, App: m.App, Min: m.Database.Min, Contract: &manifest.SQLContract{BuiltOn: m.Database.BuiltFor}}
	if m.Contract == nil {
		if m.Database == (manifest.Database{}) {
			return nil, nil
		}
		return r, nil
	}
	path := filepath.Join(dir, m.Contract.Path)
	data, err := durable.ReadFile(path, manifest.MaxContractBytes)
	if err != nil {
		return nil, fault.Wrap(err, fault.NotFound, "the SQL contract of %s can't be read", r.Name)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != m.Contract.SHA256 {
		return nil, fault.New(fault.Invalid, "%s is not the SQL contract that %s was built with", path, r.Name).WithCode("wrong_digest").
			WithHint("build or fetch the release again")
	}
	if r.Contract, err = manifest.ParseContract(data); err != nil {
		return nil, err
	}
	if r.Contract.BuiltOn == 0 {
		r.Contract.BuiltOn = m.Database.BuiltFor
	}
	return r, nil
}
