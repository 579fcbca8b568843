package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	cases := []struct {
		name   string
		values []time.Duration
		want   time.Duration
	}{
		{"none", nil, 0},
		{"one", []time.Duration{3}, 3},
		{"odd", []time.Duration{9, 1, 5}, 5},
		{"even", []time.Duration{1, 9, 5, 7}, 6},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := median(c.values); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

// TestCounterKnowsWhoAsks: requests count for the process that makes them, and
// only within the window.
func TestCounterKnowsWhoAsks(t *testing.T) {
	target := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer target.Close()
	c, err := startCounter(target.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.close() }()
	ask := func() {
		resp, err := http.Get("http://" + c.addr + "/v1/status/leader")
		if err != nil {
			t.Error(err)
			return
		}
		_ = resp.Body.Close()
	}
	ask() // before the window, on a connection that is kept
	stranger := exec.Command("bash", "-c", `for i in 1 2 3; do
		exec 3<>"/dev/tcp/${0/:/\/}"; printf 'GET / HTTP/1.0\r\n\r\n' >&3; cat <&3; exec 3>&-
	done`, c.addr)
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		for !c.counting() {
			time.Sleep(time.Millisecond)
		}
		ask()
		ask()
		if out, err := stranger.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	}()
	counts, err := c.countUntil(t.Context(), asked, []int{os.Getpid()})
	if err != nil {
		t.Fatal(err)
	}
	if counts[os.Getpid()] != 2 || counts[0] != 3 {
		t.Errorf("counted %v, want 2 of this process and 3 of others", counts)
	}
}

func TestUsageOfThisProcess(t *testing.T) {
	before, err := usageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	// By the process's own clock: on a busy machine 100 ms may go by without any work, and
	// usageOf counts in hundredths of a second.
	began := worked(t)
	for worked(t)-began < 100*time.Millisecond {
		_ = median([]time.Duration{1, 2, 3})
	}
	after, err := usageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if used, most := after.cpu-before.cpu, worked(t); used < 50*time.Millisecond || used > most+50*time.Millisecond {
		t.Errorf("100 ms of work on one core came out as %s, all work until now is %s", used, most)
	}
	if after.rss < 1<<20 || after.rss > 1<<31 {
		t.Errorf("resident: %d bytes", after.rss)
	}
}

// worked is how much processor time this process has had.
func worked(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// TestWhatIsLeftIsEnded: a process that belongs to our folder is ended, by its
// working directory or by an argument, and no other.
func TestWhatIsLeftIsEnded(t *testing.T) {
	ours, other := t.TempDir(), t.TempDir()
	start := func(dir string, args ...string) chan error {
		cmd := exec.Command("sleep", append([]string{"60"}, args...)...)
		if len(args) > 0 {
			cmd = exec.Command("bash", append([]string{"-c", "read -r <&3"}, args...)...)
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd.ExtraFiles = []*os.File{r}
			t.Cleanup(func() { _, _ = r.Close(), w.Close() })
		}
		cmd.Dir = dir
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill() })
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		return ended
	}
	byFolder, byArgument, stranger := start(ours), start(other, "--dir="+filepath.Join(ours, "x")), start(other)
	if err := endAllUnder(ours); err != nil {
		t.Fatal(err)
	}
	for name, ended := range map[string]chan error{"folder": byFolder, "argument": byArgument} {
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			t.Errorf("the process known by its %s still runs", name)
		}
	}
	select {
	case <-stranger:
		t.Error("a process of another folder was ended")
	default:
	}
}
