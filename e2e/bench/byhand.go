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

// The address plan and the password of e2e/byhand/common.sh.
const byHandPassword = "by-hand-and-throwaway"

func byHandHost(node int) string { return fmt.Sprintf("127.0.0.%d", 50+node) }

// byHand is a group that e2e/byhand built.
type byHand struct {
	m   *machine
	dir string
}

// byHandUp runs bringup.sh and gives the seconds that it took by its own clock,
// from the first process on.
func (m *machine) byHandUp(ctx context.Context, nodes int, kind string) (*byHand, time.Duration, error) {
	b := &byHand{m: m, dir: filepath.Join(m.temp, "byhand")}
	out, err := command(ctx, filepath.Join(m.scripts, "bringup.sh"), b.dir, strconv.Itoa(nodes), kind)
	if err != nil {
		return b, 0, err
	}
	took, err := time.ParseDuration(strings.TrimSpace(out) + "s")
	return b, took, err
}

func (b *byHand) down() error {
	if _, err := os.Stat(filepath.Join(b.dir, "nodes")); err != nil {
		return nil // never got so far
	}
	ctx, cancel := context.WithTimeout(context.Background(), cleanupLimit)
	defer cancel()
	_, err := command(ctx, filepath.Join(b.m.scripts, "stop.sh"), b.dir)
	return err
}

func (b *byHand) start(ctx context.Context, node int) error {
	_, err := command(ctx, filepath.Join(b.m.scripts, "start.sh"), b.dir, strconv.Itoa(node))
	return err
}

// pids are the server and the sentinel of a node.
func (b *byHand) pids(node int) ([]int, error) {
	var pids []int
	for _, name := range []string{"redis", "sentinel"} {
		text, err := os.ReadFile(filepath.Join(b.dir, "n"+strconv.Itoa(node), name+".pid"))
		if err != nil {
			return nil, err
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}
