package account

import "context"

// Gate slows down who guesses passwords.
type Gate interface {
	// Try asks whether a password of a handle may be tried now. right says that it was the right one.
	Try(ctx context.Context, handle string) (right func(context.Context), err error)
}

// open is the Gate of a service that nobody else reaches.
type open struct{}

// Try implements Gate.
func (open) Try(context.Context, string) (func(context.Context), error) {
	return func(context.Context) {}, nil
}
