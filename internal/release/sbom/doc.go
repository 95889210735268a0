// Package sbom writes the bill of materials of a Go binary: which modules are in it, under which licences, as a
// CycloneDX 1.6 document.
//
// Invariants: the modules are those that the Go linker recorded in the binary, no more and no fewer, the standard library
// included. The same binary and the same Facts give the same bytes wherever the module cache holds the same modules: the
// serial number is derived from the content, and no clock, host name or path of the machine is read. What it can't cover
// (scripts, images, other languages) is named as such, never answered with an empty document. Nothing goes to the network
// and no go command runs.
//
// The dependency graph is flat, main component to all modules, because a binary records no other edges; the composition
// is therefore declared incomplete.
package sbom
