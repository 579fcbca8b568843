package consul

import (
	"errors"
	"sync"
)

// Once makes an OnError that an operator can read: it tells the first failure of
// each watch or lease, again when the reason becomes another one (Consul is out,
// it refuses the token …), and the end of it. Repetitions are left out. It is
// safe for several goroutines; tell is called by one at a time.
func Once(tell func(what string, err error)) func(what string, err error) {
	var mu sync.Mutex
	failing := map[string]string{}
	return func(what string, err error) {
		mu.Lock()
		defer mu.Unlock()
		kind, was := kindOf(err), failing[what]
		if kind == was {
			return
		}
		failing[what] = kind
		if err == nil {
			delete(failing, what)
		}
		tell(what, err)
	}
}

// kindOf is the error without what differs from one try to the next, such as
// the port of a connection; empty for none.
func kindOf(err error) string {
	if err == nil {
		return ""
	}
	for _, kind := range []error{ErrOut, ErrDenied, ErrSessionGone, ErrLeaseLost, ErrConflict} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	return err.Error()
}
