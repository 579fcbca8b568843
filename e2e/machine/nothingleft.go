package machine

import (
	"context"
	"fmt"
	"io"
)

// NothingLeft runs a package's tests (TestMain's m.Run) and returns the exit status.
// It is the tests' own where nothing is on the host afterwards that was not there
// before (Leftovers); else it is not 0, and says what is left.
func NothingLeft(run func() int, say io.Writer) int {
	before, err := Snapshot()
	if err != nil {
		_, _ = fmt.Fprintln(say, err)
		return 1
	}
	code := run()
	left, err := Leftovers(context.Background(), before)
	if err != nil {
		_, _ = fmt.Fprintln(say, err)
		return 1
	}
	for _, what := range left {
		_, _ = fmt.Fprintln(say, "left behind:", what)
		code = max(code, 1)
	}
	return code
}
