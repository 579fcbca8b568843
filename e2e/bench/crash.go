package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// What the figures are held to: the median of redfleet's gaps by the median of plain
// Sentinel's.
const (
	mostEvidence = 0.15
	mostRestart  = 1.05
)

// stuckGroup is a second group of the lab, with on_crash = "restart"; its ports lie
// above those of the first one.
const (
	stuckGroup = "stuck"
	stuckAbove = 100
)

// crashSide is a group whose master's process is killed again and again.
type crashSide struct {
	name  string
	group *group
	// pid is the server's process on a node.
	pid func(node int) (int, error)
	// spoil makes a start of the server on the node fail, mend undoes it; nil for a
	// side whose server nobody starts.
	spoil, mend func(node int) error
	// back starts the server of the node again; nil where somebody else does.
	back func(ctx context.Context, node, master int) error
	// tag tells whether Consul leads to a master on another node than this one; nil
	// for a group that is in no Consul.
	tag func(ctx context.Context, dead int) (bool, error)

	gaps, tags, named []time.Duration
	acked, lost       int
}

// benchCrash kills the process of each group's master and measures with the same
// code until another server takes a write. The three groups stand side by side and
// go through their rounds at the same time.
func benchCrash(ctx context.Context, m *machine, rounds int) (err error) {
	l, _, err := m.labUp(ctx, failoverNodes, m.consul.addr)
	defer func() { err = errors.Join(err, l.down()) }()
	if err != nil {
		return err
	}
	b, _, err := m.byHandUp(ctx, failoverNodes, "seeded")
	defer func() { err = errors.Join(err, b.down()) }()
	if err != nil {
		return err
	}
	if err := l.addStuck(ctx); err != nil {
		return err
	}
	evident, err := l.crashSide(ctx, masterName, 0)
	if err != nil {
		return err
	}
	stuck, err := l.crashSide(ctx, stuckGroup, stuckAbove)
	if err != nil {
		return err
	}
	stuck.spoil, stuck.mend = l.spoil, l.mend
	plain := b.crashSide()
	sides := []*crashSide{evident, stuck, plain}
	for _, s := range sides {
		defer s.group.close()
	}
	all, inner := errgroup.WithContext(ctx)
	for _, s := range sides {
		all.Go(func() error { return s.rounds(inner, rounds) })
	}
	err = all.Wait()
	l.tellWhy()
	if err != nil {
		return err
	}
	return report(ctx, evident, stuck, plain)
}

// report prints the figures and holds them to their bounds.
func report(ctx context.Context, evident, stuck, plain *crashSide) error {
	downAfter, err := plain.group.downAfter(ctx)
	if err != nil {
		return err
	}
	base := plain.figures("sentinel")
	fast, slow := evident.ratio(plain), stuck.ratio(plain)
	fmt.Printf("crash down_after_ms=%d rounds=%d %s %s ratio=%.3f worst_ratio=%.3f consul_tag_ms=%d consul_tag_worst_ms=%d sentinels_ms=%d sentinels_worst_ms=%d\n",
		downAfter.Milliseconds(), len(plain.gaps), evident.figures("evidence"), base, fast,
		float64(slices.Max(evident.gaps))/float64(slices.Max(plain.gaps)),
		median(evident.tags).Milliseconds(), slices.Max(evident.tags).Milliseconds(),
		median(evident.named).Milliseconds(), slices.Max(evident.named).Milliseconds())
	fmt.Printf("crash on_crash=restart, forced to fail: down_after_ms=%d rounds=%d %s %s ratio=%.3f\n",
		downAfter.Milliseconds(), len(plain.gaps), stuck.figures("restart"), base, slow)
	if fast > mostEvidence || slow > mostRestart {
		return fmt.Errorf("the ratios are %.3f and %.3f, and are to be at most %.2f and %.2f", fast, slow, mostEvidence, mostRestart)
	}
	return nil
}

func (s *crashSide) ratio(plain *crashSide) float64 {
	return float64(median(s.gaps)) / float64(median(plain.gaps))
}

func (s *crashSide) figures(name string) string {
	return fmt.Sprintf("%s_ms=%d %s_worst_ms=%d %s_acked=%d %s_lost=%d", name, median(s.gaps).Milliseconds(),
		name, slices.Max(s.gaps).Milliseconds(), name, s.acked, name, s.lost)
}

func (s *crashSide) rounds(ctx context.Context, n int) error {
	for round := range n {
		if err := s.round(ctx, round); err != nil {
			return fmt.Errorf("%s, round %d: %w", s.name, round+1, err)
		}
		progress("crash round %d: %s %d ms", round+1, s.name, s.gaps[round].Milliseconds())
	}
	return nil
}

func (s *crashSide) round(ctx context.Context, round int) error {
	dead, err := s.group.awaitWhole(ctx)
	if err != nil {
		return err
	}
	pid, err := s.pid(dead)
	if err != nil {
		return err
	}
	if err := s.group.freshPing(ctx, dead); err != nil {
		return err
	}
	w := startWriter(ctx, s.group.servers[dead-1], fmt.Sprintf("bench:%d", round))
	defer w.end()
	if err := w.warm(ctx); err != nil {
		return err
	}
	if s.spoil != nil {
		if err := s.spoil(dead); err != nil {
			return err
		}
	}
	began := time.Now()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("killing the master, process %d of node %d: %w", pid, dead, err)
	}
	if err := s.measure(ctx, dead, began); err != nil {
		return err
	}
	if s.mend != nil {
		if err := s.mend(dead); err != nil {
			return err
		}
	}
	return s.afterwards(ctx, dead, w)
}

// measure takes the times until another server takes a write, until a sentinel names
// it, and until Consul leads to it.
func (s *crashSide) measure(ctx context.Context, dead int, began time.Time) error {
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error {
		took, err := s.group.firstWrite(ctx, dead, began)
		s.gaps = append(s.gaps, took)
		return err
	})
	all.Go(func() error {
		took, err := s.group.firstNamed(ctx, dead, began)
		s.named = append(s.named, took)
		return err
	})
	if s.tag != nil {
		all.Go(func() error {
			err := pollFor(ctx, "Consul leads to the new master", func() (bool, error) { return s.tag(ctx, dead) })
			s.tags = append(s.tags, time.Since(began))
			return err
		})
	}
	return all.Wait()
}

// afterwards brings the dead server back and counts what was lost.
func (s *crashSide) afterwards(ctx context.Context, dead int, w *writer) error {
	master, err := s.group.masterBut(ctx, dead)
	if err != nil {
		return err
	}
	if s.back != nil {
		if err := s.back(ctx, dead, master); err != nil {
			return err
		}
	}
	now, err := s.group.awaitWhole(ctx)
	if err != nil {
		return err
	}
	acked, lost, err := w.count(ctx, s.group.servers[now-1])
	s.acked, s.lost = s.acked+acked, s.lost+lost
	return err
}

// tellWhy shows why agents asked nobody, where they did not.
func (l *lab) tellWhy() {
	paths, _ := filepath.Glob(filepath.Join(l.dir, "n*", "log", "agent.log"))
	for _, path := range paths {
		text, _ := os.ReadFile(path)
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, "asks nobody") && !strings.Contains(line, "(restart)") {
				progress("%s", strings.TrimSpace(line))
			}
		}
	}
}

// crashSide is one of the lab's groups.
func (l *lab) crashSide(ctx context.Context, name string, above int) (*crashSide, error) {
	password, err := l.passwordOf(ctx, name)
	if err != nil {
		return nil, err
	}
	s := &crashSide{name: "redfleet, " + name, group: dialPorts(name, l.nodes, password, labHost, above)}
	s.pid = func(node int) (int, error) { return runsIn(filepath.Dir(l.conf(name, node, above))) }
	s.tag = func(ctx context.Context, dead int) (bool, error) {
		hosts, err := l.m.consul.tagged(ctx, "lab-"+name)
		return len(hosts) == 1 && hosts[0] != labHost(dead), err
	}
	return s, nil
}

// conf is the redis.conf of a group's server on a node.
func (l *lab) conf(group string, node, above int) string {
	return filepath.Join(l.dir, nodeName(node), "data", fmt.Sprintf("redis-%s-%d", group, 6379+above), "redis.conf")
}

// spoiled is a line with which no server starts.
const spoiled = "no-such-directive-of-the-bench yes\n"

func (l *lab) spoil(node int) error {
	f, err := os.OpenFile(l.conf(stuckGroup, node, stuckAbove), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(spoiled)
	return errors.Join(err, f.Close())
}

func (l *lab) mend(node int) error {
	path := l.conf(stuckGroup, node, stuckAbove)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(strings.ReplaceAll(string(text), spoiled, "")), 0o600)
}

// addStuck adds the second group to the lab's spec and waits until it is verified.
func (l *lab) addStuck(ctx context.Context) error {
	nodes := make([]string, l.nodes)
	for i := range nodes {
		nodes[i] = fmt.Sprintf("%q", nodeName(i+1))
	}
	list := strings.Join(nodes, ", ")
	spec := fmt.Sprintf(`
[fleet]
name = "lab"
[[group]]
name = %q
nodes = [%s]
[group.sentinel]
nodes = [%s]
[[group]]
name = %q
nodes = [%s]
port = %d
on_crash = "restart"
[group.sentinel]
nodes = [%s]
port = %d
`, masterName, list, list, stuckGroup, list, 6379+stuckAbove, list, 26379+stuckAbove)
	path := filepath.Join(l.m.temp, "crash.toml")
	if err := os.WriteFile(path, []byte(spec), 0o600); err != nil {
		return err
	}
	if _, err := l.ask(ctx, "apply", path); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return poll(ctx, 200*time.Millisecond, "both groups are verified", func() error { return l.verified(ctx) })
}

// crashSide is the group by hand: plain Sentinel, and nobody starts a dead server.
func (b *byHand) crashSide() *crashSide {
	s := &crashSide{name: "by hand", group: dialGroup(failoverNodes, byHandPassword, byHandHost)}
	s.pid = func(node int) (int, error) {
		pids, err := b.pids(node)
		if err != nil {
			return 0, err
		}
		return pids[0], nil
	}
	s.back = func(ctx context.Context, node, master int) error {
		_, err := command(ctx, filepath.Join(b.m.scripts, "start.sh"), b.dir, fmt.Sprint(node), fmt.Sprint(master))
		return err
	}
	return s
}

// runsIn finds the one process that works in a folder.
func runsIn(dir string) (int, error) {
	list, err := processes()
	if err != nil {
		return 0, err
	}
	var pids []int
	for _, p := range list {
		if p.cwd == dir && strings.Contains(p.argv[0], "redis-server") {
			pids = append(pids, p.pid)
		}
	}
	if len(pids) != 1 {
		return 0, fmt.Errorf("%d servers work in %s, not one", len(pids), dir)
	}
	return pids[0], nil
}
