package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// enter becomes a process in the node's namespaces that can do nothing but ask the
// node's systemd for something. nsenter alone would keep the host's capabilities,
// with which a command in a node can set the host's clock or load modules. What is
// left is what nsenter itself needs.
func enter(leader int) []string {
	return []string{
		"setpriv", "--bounding-set=-all,+sys_admin,+sys_chroot,+sys_ptrace,+dac_override,+dac_read_search", "--",
		"nsenter", "--target=" + strconv.Itoa(leader), "--mount", "--pid", "--ipc", "--uts", "--net", "--cgroup", "--",
	}
}

// ask runs a client of the node's systemd.
func (n *Node) ask(ctx context.Context, argv ...string) (Result, error) {
	return n.inside(ctx, nil, argv...)
}

func (n *Node) inside(ctx context.Context, stdin io.Reader, argv ...string) (Result, error) {
	leader, err := n.leader()
	if err != nil {
		return Result{}, err
	}
	ctx, cancel := n.lab.context(ctx)
	defer cancel()
	return capture(ctx, n.lab.ID, stdin, slices.Concat(enter(leader), argv)...)
}

// Run runs a command in the node as root, as a service of the node's systemd: with
// the node's capabilities, cgroup and limits, as a child of its first process. It
// waits for the end. An exit status that is not 0 is in Result.Code and no error;
// 127 is a command that is not there. When ctx ends, the command is killed; only a
// frozen node may still run it when it thaws.
func (n *Node) Run(ctx context.Context, argv ...string) (Result, error) {
	return n.RunInput(ctx, nil, argv...)
}

// RunInput is Run with something on the command's standard input.
func (n *Node) RunInput(ctx context.Context, stdin io.Reader, argv ...string) (Result, error) {
	if len(argv) == 0 {
		return Result{}, errors.New("no command to run")
	}
	n.stateMu.Lock()
	n.runs++
	unit := fmt.Sprintf("redfleet-test-run-%d", n.runs)
	n.stateMu.Unlock()
	defer n.killAtEnd(ctx, unit)()
	run := []string{"systemd-run", "--quiet", "--wait", "--pipe", "--collect", "--unit=" + unit, "--service-type=exec", "--"}
	// The first line on stderr tells that the command was reached: systemd-run has
	// the same exit status for its own failures.
	for _, word := range append([]string{"/bin/sh", "-c", `echo "$0" >&2; exec "$@"`, unit}, argv...) {
		run = append(run, strings.ReplaceAll(word, "$", "$$")) // systemd puts its own variables in for $NAME
	}
	r, err := n.inside(ctx, stdin, run...)
	if err != nil {
		return r, fmt.Errorf("running %s on %s: %w", argv[0], n.Name, err)
	}
	rest, reached := strings.CutPrefix(r.Stderr, unit+"\n")
	if !reached && strings.HasPrefix(r.Stderr, unit+": 1: Syntax error") && rewound(stdin) {
		// A daemon-reload came between making the unit and starting it: systemd read
		// its own file back and did not undo its own escapes. Nothing was run.
		return n.RunInput(ctx, stdin, argv...)
	}
	if !reached {
		return r, fmt.Errorf("running %s on %s: systemd did not start it: %s", argv[0], n.Name, strings.TrimSpace(r.Stderr))
	}
	r.Stderr = rest
	return r, nil
}

// rewound tells whether the input can be given once more, from its beginning.
func rewound(stdin io.Reader) bool {
	if stdin == nil {
		return true
	}
	from, can := stdin.(io.Seeker)
	if !can {
		return false
	}
	_, err := from.Seek(0, io.SeekStart)
	return err == nil
}

// killAtEnd kills the unit when ctx ends before the returned function is called,
// which waits until that is done. A node that does not answer is left alone.
func (n *Node) killAtEnd(ctx context.Context, unit string) (done func()) {
	killed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(killed)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_, _ = n.ask(ctx, "systemctl", "kill", "--signal=KILL", unit)
	})
	return func() {
		if !stop() {
			<-killed
		}
	}
}

// putScript writes beside the file and renames, so that no reader sees half of it.
const putScript = `set -eu
mkdir -p "$(dirname "$1")"
temp=$(mktemp "$1.XXXXXX")
trap 'rm -f "$temp"' EXIT
cat >"$temp"
chmod "$2" "$temp"
mv -f "$temp" "$1"`

// PutFile writes a file of the node, owner root, whole or not at all; folders above
// it are made. The path is absolute. It works on a node that is off too.
func (n *Node) PutFile(ctx context.Context, path string, content []byte, mode os.FileMode) error {
	if err := checkPath(path); err != nil {
		return fmt.Errorf("putting a file on %s: %w", n.Name, err)
	}
	if n.current() == nil {
		n.mu.Lock()
		defer n.mu.Unlock()
		if err := n.writeUpper(path, content, mode); err != nil {
			return fmt.Errorf("putting %s on %s, which is off: %w", path, n.Name, err)
		}
		return nil
	}
	r, err := n.RunInput(ctx, strings.NewReader(string(content)), "/bin/sh", "-c", putScript, "put", path, fmt.Sprintf("%04o", mode.Perm()))
	if err == nil && r.Code != 0 {
		err = errors.New(strings.TrimSpace(r.Stderr))
	}
	if err != nil {
		return fmt.Errorf("putting %s on %s: %w", path, n.Name, err)
	}
	return nil
}

// Journal is what the node's journal has of the unit, all boots, the oldest first.
func (n *Node) Journal(ctx context.Context, unit string) (string, error) {
	r, err := n.Run(ctx, "journalctl", "--no-pager", "--quiet", "--output=short-precise", "--unit="+unit)
	if err == nil && r.Code != 0 {
		err = errors.New(strings.TrimSpace(r.Stderr))
	}
	if err != nil {
		return "", fmt.Errorf("the journal of %s on %s: %w", unit, n.Name, err)
	}
	return r.Stdout, nil
}
