// Package build makes a release: a directory <dist>/<version> that holds the binary, an archive of it, its bill of
// materials, its SQL contract, checksums and a manifest.
//
// Invariants: the same commit gives the same bytes, on every machine with the same Go and the same module cache; no clock,
// host name, user or branch gets in. The directory appears in one rename when everything in it is written and
// synced, so a half-written release is never visible, whatever interrupts the build. An existing release is never
// changed: equal content is success, other content is refused unless Replace is set, and then the two are swapped in one
// step. Only this machine's target is built.
package build
