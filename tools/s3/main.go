// Command s3 is an S3 service over a folder of this machine: versitygw, as somebody runs it who has no cloud. Tests of the store
// start it, kill it and start it again. It is a module of its own, so nothing of it reaches platctl's go.mod or binary.
//
//	S3_ACCESS=KEY S3_SECRET=KEY s3 DIR SOCKET
//
// Every folder in DIR/buckets is a bucket. It answers on a unix socket: a test needs no free port.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: s3 DIR SOCKET")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(dir, socket string) error {
	buckets, attributes := filepath.Join(dir, "buckets"), filepath.Join(dir, "attributes")
	for _, d := range []string{buckets, attributes} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	// Attributes in files of their own: the disk of a test may have no extended ones.
	side, err := meta.NewSideCar(attributes)
	if err != nil {
		return err
	}
	be, err := posix.New(buckets, side, posix.PosixOpts{SideCarDir: attributes, ValidateBucketNames: true})
	if err != nil {
		return err
	}
	return embedgw.RunVersityGW(context.Background(), be, &embedgw.Config{
		RootUserAccess: os.Getenv("S3_ACCESS"), RootUserSecret: os.Getenv("S3_SECRET"), Region: "us-east-1", Ports: []string{socket},
		MaxConnections: 256, MaxRequests: 256, MultipartMaxParts: 10_000, Quiet: true,
	})
}
