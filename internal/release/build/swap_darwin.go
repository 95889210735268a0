package build

import "golang.org/x/sys/unix"

// swap exchanges two folders in one step, so that there is no moment without a release.
func swap(a, b string) error {
	return unix.RenamexNp(a, b, unix.RENAME_SWAP)
}
