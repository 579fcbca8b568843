package process

import (
	"bytes"
	"sync"
	"testing"

	"github.com/sirupsen/logrus"
)

// lockedBuffer takes the log of several goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// TestCloseIsSilent: to end the watching is no trouble to tell of.
func TestCloseIsSilent(t *testing.T) {
	_, u, ctx := setup(t)
	log := logrus.New()
	var out lockedBuffer
	log.SetOutput(&out)
	log.SetLevel(logrus.WarnLevel)
	for range 20 {
		s := New(u.Dir+"/units", log)
		if err := s.Start(ctx, u); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if out.b.Len() > 0 {
		t.Errorf("closing logged:\n%s", out.b.String())
	}
}
