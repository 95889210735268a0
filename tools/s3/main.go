// Command s3 is an S3 service over a folder of this machine: versitygw, which is what somebody would run who has no cloud. Tests of
// the store start it, kill it and start it again. It is a module of its own, so nothing of it reaches platctl's go.mod or binary.
//
//	S3_ACCESS=… S3_SECRET=… s3 DIR HOST:PORT
//
// Every folder of DIR is a bucket.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
)

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(dir, addr string) error {
	// Attributes in a folder beside the objects: a test's disk may have no extended ones.
	attributes := dir + ".meta"
	if err := os.MkdirAll(attributes, 0o700); err != nil {
		return err
	}
	side, err := meta.NewSideCar(attributes)
	if err != nil {
		return err
	}
	be, err := posix.New(dir, side, posix.PosixOpts{SideCarDir: attributes, ValidateBucketNames: true})
	if err != nil {
		return err
	}
	return embedgw.RunVersityGW(context.Background(), be, &embedgw.Config{
		RootUserAccess: os.Getenv("S3_ACCESS"), RootUserSecret: os.Getenv("S3_SECRET"), Region: "us-east-1", Ports: []string{addr},
		MaxConnections: 256, MaxRequests: 256, MultipartMaxParts: 10_000, Quiet: true, IAMDir: "", KeepAlive: true,
	})
}
