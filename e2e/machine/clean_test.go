//go:build e2e

package machine

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// endVariable tells TestOneNode, in a process of its own, how to end. It is empty in
// an ordinary run.
const (
	endVariable = "REDFLEET_MACHINE_TEST_END"
	dirVariable = "REDFLEET_MACHINE_TEST_DIR" // where its lab is, then
)

// TestOneNode is the smallest use there is, and what the tests below see cut off.
func TestOneNode(t *testing.T) {
	ctx := untilInterrupt(t)
	l := newLab(ctx, t, Options{Dir: os.Getenv(dirVariable)})
	n, err := l.Create(ctx, "n1", CreateOptions{SmallDisks: map[string]int64{"/srv/small": 1 << 20}})
	check(t, err)
	check(t, n.Boot(ctx))
	check(t, n.WaitRunning(ctx))
	switch os.Getenv(endVariable) {
	case "fail":
		t.Fatal("failed as asked")
	case "panic":
		panic("panicked as asked")
	case "wait", "frozen":
		if os.Getenv(endVariable) == "frozen" {
			check(t, n.Freeze(ctx))
		}
		if _, err := os.Stdout.WriteString("ready\n"); err != nil {
			t.Error(err)
		}
		<-ctx.Done()
		t.Fatal(context.Cause(ctx))
	}
	run(ctx, t, n, "true")
}

// TestNothingIsLeftBehind ends a run in all the ways there are, and looks at the
// host afterwards. A run that was killed cannot clean up: its nodes die with it, and
// the next lab removes what they had.
func TestNothingIsLeftBehind(t *testing.T) {
	ctx := untilInterrupt(t)
	for _, c := range []struct {
		name, end string
		signal    syscall.Signal // sent when the node is up
		sweep     bool           // a new lab has to come first
	}{
		{name: "the test fails", end: "fail"},
		{name: "the test panics", end: "panic"},
		{name: "interrupt", end: "wait", signal: syscall.SIGINT},
		{name: "interrupt with a frozen node", end: "frozen", signal: syscall.SIGINT},
		{name: "killed", end: "wait", signal: syscall.SIGKILL, sweep: true},
		{name: "killed with a frozen node", end: "frozen", signal: syscall.SIGKILL, sweep: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			before, err := Snapshot()
			check(t, err)
			dir := t.TempDir()
			out := endEarly(ctx, t, dir, c.end, c.signal)
			if c.sweep {
				l, err := New(ctx, Options{Dir: dir})
				check(t, err)
				check(t, l.Close())
			}
			left, err := Leftovers(ctx, before)
			check(t, err)
			folders, err := filepath.Glob(filepath.Join(dir, "rf*"))
			check(t, err)
			left = append(left, folders...)
			if len(left) > 0 {
				t.Errorf("left behind:\n%s\nafter:\n%s", strings.Join(left, "\n"), out)
			}
		})
	}
}

// endEarly runs TestOneNode in a process of its own, which must not pass.
func endEarly(ctx context.Context, t *testing.T, dir, end string, signal syscall.Signal) string {
	t.Helper()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestOneNode$", "-test.v")
	cmd.Env = append(os.Environ(), endVariable+"="+end, dirVariable+"="+dir)
	cmd.WaitDelay = 5 * time.Second
	var out, stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		out.WriteString(lines.Text() + "\n")
		if lines.Text() == "ready" && signal != 0 {
			check(t, cmd.Process.Signal(signal))
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Errorf("the run was to end early, and passed:\n%s", out.String())
	}
	return out.String() + stderr.String()
}

// TestTwoLabs shows that two runs with the same names and addresses do not meet.
func TestTwoLabs(t *testing.T) {
	ctx := untilInterrupt(t)
	nodes := make([]*Node, 2)
	for i := range nodes {
		n, err := newLab(ctx, t, Options{}).Create(ctx, "n1", CreateOptions{})
		check(t, err)
		nodes[i] = n
	}
	each(t, nodes, func(n *Node) error { return n.Boot(ctx) })
	each(t, nodes, func(n *Node) error { return n.WaitRunning(ctx) })
	check(t, nodes[0].Cut(ctx))
	run(ctx, t, nodes[0], "touch", "/root/here")
	if r, err := nodes[1].Run(ctx, "ls", "/root/here"); err != nil || r.Code == 0 {
		t.Errorf("the other lab's node has the file: %+v, %v", r, err)
	}
	// A port where nobody listens: who is reached refuses.
	for i, want := range []bool{false, true} {
		short, cancel := context.WithTimeout(ctx, 5*time.Second)
		_, err := nodes[i].lab.Dial(short, "tcp", nodes[i].Address.String()+":9")
		cancel()
		if errors.Is(err, syscall.ECONNREFUSED) != want {
			t.Errorf("node of lab %d: %v", i, err)
		}
	}
}

// TestBareLab shows that a daemon which hides from the lab, as a container's monitor
// does, ends with it all the same.
func TestBareLab(t *testing.T) {
	ctx := untilInterrupt(t)
	before, err := Snapshot()
	check(t, err)
	l := newLab(ctx, t, Options{Bare: true})
	if _, err := l.Create(ctx, "n1", CreateOptions{}); err == nil {
		t.Error("a bare lab made a node")
	}
	all, err := trees()
	check(t, err)
	for _, tree := range all {
		check(t, os.MkdirAll(filepath.Join(tree, l.ID, "below"), 0o755))
	}
	r, err := l.Run(ctx, "env", "-i", "/bin/sh", "-c", "setsid sleep 100000 >/dev/null 2>&1 & echo $!")
	check(t, err)
	daemon := strings.TrimSpace(r.Stdout)
	if _, err := os.Stat("/proc/" + daemon); r.Code != 0 || err != nil {
		t.Fatalf("there is no daemon: %+v, %v", r, err)
	}
	check(t, l.Close())
	left, err := Leftovers(ctx, before)
	check(t, err)
	if len(left) > 0 {
		t.Errorf("left behind:\n%s", strings.Join(left, "\n"))
	}
}
