package sim

import (
	"hash/fnv"
	"io"
	"math/rand/v2"
	"sync"
	"time"
)

// chance draws what follows from a seed and from names alone, so that one draw
// moves no other.
type chance uint64

func (c chance) source(names ...string) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(c), mix(names)))
}

// between draws a length of time; it is never a whole number of microseconds for
// two different names but by a rare accident, so that few things happen at once.
func (c chance) between(least, most time.Duration, names ...string) time.Duration {
	return least + time.Duration(c.source(names...).Int64N(int64(most-least)))
}

func mix(names []string) uint64 {
	h := fnv.New64a()
	for _, n := range names {
		_, _ = io.WriteString(h, n)
		_, _ = h.Write([]byte{0})
	}
	return h.Sum64()
}

// stream is chance for one process: bytes for its identities. It is
// safe for several goroutines.
type stream struct {
	mu sync.Mutex
	r  *rand.Rand
}

// Read gives bytes, as crypto/rand does.
func (s *stream) Read(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range b {
		b[i] = byte(s.r.Uint32())
	}
	return len(b), nil
}
