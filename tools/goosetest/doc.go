// Package goosetest holds platctl's engine of migrations against goose: the same folder must leave the same schema, in no more
// time. It is a module of its own, so that goose is in no go.mod, SBOM or binary of platctl.
package goosetest
