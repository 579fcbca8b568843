package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func labHost(node int) string { return fmt.Sprintf("127.0.0.%d", 10+node) }

// lab is a group that `redfleet lab` built.
type lab struct {
	m      *machine
	dir    string
	consul string
	nodes  int
}

// labUp runs `redfleet lab up` against a Consul that runs already. The time is
// that of the whole command, from its own start to its return, when verify holds.
func (m *machine) labUp(ctx context.Context, nodes int, consul string, more ...string) (*lab, time.Duration, error) {
	l := &lab{m: m, dir: filepath.Join(m.temp, "lab"), consul: consul, nodes: nodes}
	args := append([]string{"lab", "up", "--consul", consul, "--nodes", strconv.Itoa(nodes),
		"--sentinels", strconv.Itoa(nodes), "--dir", l.dir, "-o", "json"}, more...)
	began := time.Now()
	_, err := command(ctx, m.redfleet, args...)
	return l, time.Since(began), err
}

// down ends the lab; one that never came up far enough is no error, since
// withMachine ends what is left.
func (l *lab) down() error {
	if _, err := os.Stat(l.dir); err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), cleanupLimit)
	defer cancel()
	_, err := command(ctx, l.m.redfleet, "lab", "down", "--dir", l.dir)
	return err
}

func (l *lab) start(ctx context.Context, node int) error {
	_, err := command(ctx, l.m.redfleet, "lab", "start", nodeName(node), "--dir", l.dir)
	return err
}

// ask runs a verb of redfleet in the lab's environment, as a person would.
func (l *lab) ask(ctx context.Context, args ...string) (string, error) {
	words := append([]string{"-c", `. "$0" && exec "$@"`, filepath.Join(l.dir, "env"), l.m.redfleet}, args...)
	return command(ctx, "bash", words...)
}

// verified asks `redfleet verify` once more: the group that was measured must be
// one that stands.
func (l *lab) verified(ctx context.Context) error {
	_, err := l.ask(ctx, "verify", "-o", "json")
	return err
}

func (l *lab) password(ctx context.Context) (string, error) { return l.passwordOf(ctx, masterName) }

func (l *lab) passwordOf(ctx context.Context, group string) (string, error) {
	out, err := l.ask(ctx, "credentials", "show", group)
	return strings.TrimRight(out, "\n"), err
}

func nodeName(node int) string { return "n" + strconv.Itoa(node) }

// pids are all processes of a node: its server, its sentinel, its agent, and a
// coordinator where one runs there.
func (l *lab) pids(node int) ([]int, error) {
	list, err := processes()
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, p := range list {
		if p.under(filepath.Join(l.dir, nodeName(node))) {
			pids = append(pids, p.pid)
		}
	}
	if len(pids) < 3 {
		return nil, fmt.Errorf("%d processes of %s were found; a server, a sentinel and an agent should be there", len(pids), nodeName(node))
	}
	return pids, nil
}

// agents are the pids of the agents, by node.
func (l *lab) agents() (map[int]int, error) {
	list, err := processes()
	if err != nil {
		return nil, err
	}
	pids := map[int]int{}
	for _, p := range list {
		if p.exe != l.m.redfleet || len(p.argv) < 2 || p.argv[1] != "agent" {
			continue
		}
		for node := 1; node <= l.nodes; node++ {
			if p.under(filepath.Join(l.dir, nodeName(node))) {
				pids[node] = p.pid
			}
		}
	}
	if len(pids) != l.nodes {
		return nil, fmt.Errorf("%d agents run, not %d", len(pids), l.nodes)
	}
	return pids, nil
}
