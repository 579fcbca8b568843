package consul

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"
)

// Patience is how long an operator's verb goes on asking where Consul is between two
// leaders: with Consul's default timings its servers miss a leader that lost its power
// after 5 to 10 s and elect another one within as much. They keep a request waiting
// for up to 7 s meanwhile, which is longer than one may take here.
const Patience = 20 * time.Second

// Patiently calls read, which only reads, until it gives another error than ErrOut,
// or none, or Patience has passed; the error is then that of the last try. Where
// nobody listens at Consul's address it does not try again: that is no election. tell
// hears of the first try that failed; it may be nil.
func Patiently(ctx context.Context, tell func(error), read func(context.Context) error) error {
	began := time.Now()
	wait := newBackoff(250*time.Millisecond, 2*time.Second, RandomJitter, "asking again")
	for {
		err := read(ctx)
		if !errors.Is(err, ErrOut) || nobodyListens(err) || ctx.Err() != nil {
			return err
		}
		if tell != nil {
			tell(err)
			tell = nil
		}
		d := wait.NextBackOff()
		if time.Since(began)+d > Patience || !sleep(ctx, d) {
			return err
		}
	}
}

// nobodyListens: refused, no such socket, or no such name.
func nobodyListens(err error) bool {
	var name *net.DNSError
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ENOENT) || errors.As(err, &name)
}
