//go:build e2e

package drill

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
	"github.com/redfleet/redfleet/e2e/machinetest"
	"github.com/redfleet/redfleet/internal/drill"
)

// cut is how long the master's machine is isolated: long enough for a failover.
const cut = 12 * time.Second

// maxLag is that of the group with durability "bounded".
const maxLag = 3 * time.Second

// bounded is a second group, on the same machines.
const bounded = `
[[group]]
name = "bounded"
topology = "sentinel"
nodes = ["n1", "n2", "n3"]
port = 7000
durability = "bounded"
max_lag = "3s"
[group.sentinel]
port = 27000
`

// TestDrillIsolate isolates the master's machine of a group by a drill that runs on the
// operator's machine, which reaches all others: another server becomes master, the
// command that made the cut has long ended when the cut does, nothing of it is left,
// and the group is whole. The report shows what the group's durability makes of it: with
// "fast" the isolated master takes writes as long as clients believe in it, and they
// are lost; with "bounded" it stops, and clients see a gap instead.
func TestDrillIsolate(t *testing.T) {
	ctx := machinetest.Context(t, 6*time.Minute)
	f := machinetest.New(ctx, t, machinetest.Options{Create: func(_ string, o *machine.CreateOptions) { o.NetAdmin = true }})
	f.BringUp(ctx, t, bounded)
	o := newOperator(ctx, t, f)

	fast := o.isolate(ctx, t, machinetest.GroupName)
	if fast.Lost == 0 || fast.DualMS == 0 {
		t.Errorf("an isolated master that clients reach took no writes, or kept them: %+v", fast)
	}
	tight := o.isolate(ctx, t, "bounded")
	// A tenth of a second for a busy host, whose server counts its replicas by its own timer.
	if limit := maxLag + 1100*time.Millisecond; tight.AfterCutMS > limit.Milliseconds() {
		t.Errorf("with max_lag %s the isolated master took a write %d ms after the cut", maxLag, tight.AfterCutMS)
	}
	if tight.GapMS <= tight.CalmGapMS || tight.GapMS < 500 {
		t.Errorf("no gap is shown, although the isolated master stopped before there was another: %+v", tight)
	}
	f.Whole(ctx, t)
}

// isolate runs a drill and looks at what every one has to show, and at what it leaves.
func (o *operator) isolate(ctx context.Context, t *testing.T, group string) drill.Report {
	t.Helper()
	r, err := o.f.Lab.Run(ctx, o.binary, "drill", "isolate", group, "--yes", "--for", cut.String(), "--via", o.via+" {address}",
		"--fleet", machinetest.FleetName, "--consul", o.f.Nodes[0].ConsulAddress(), "--key", o.key, "-o", "json")
	var report drill.Report
	if err == nil {
		err = json.Unmarshal([]byte(r.Stdout), &report)
	}
	if err != nil || r.Code != 0 {
		t.Fatalf("exit status %d, %v\n%s%s", r.Code, err, r.Stdout, r.Stderr)
	}
	fmt.Printf("e2e drill kind=isolate group=%s gap_ms=%d acknowledged=%d lost=%d waited=%d lost_waited=%d dual_ms=%d after_cut_ms=%d whole_ms=%d\n", group,
		report.GapMS, report.Acknowledged, report.Lost, report.Waited, report.LostWaited, report.DualMS, report.AfterCutMS, report.WholeMS)
	if report.MasterBefore == report.MasterAfter || report.MasterAfter == "" {
		t.Errorf("nobody took over: %+v", report)
	}
	if !report.Whole || !report.Looked || !report.Cleaned || report.WholeMS < cut.Milliseconds() {
		t.Errorf("the group did not heal after the cut, or nobody looked: %+v", report)
	}
	if report.Waited == 0 || report.LostWaited != 0 {
		t.Errorf("of the writes that every replica had some are lost, or there were none: %+v", report)
	}
	gone(ctx, t, o.f)
	o.f.WaitServing(ctx, t)
	return report
}

// operator is a person's machine in the lab's network.
type operator struct {
	f                *machinetest.Fleet
	binary, key, via string
}

// remotePort is where remoteShell listens on each machine.
const remotePort = 7777

// remoteShell stands for sshd, and viaScript for ssh: the machines have neither.
const viaScript = `#!/bin/bash
exec 3<>"/dev/tcp/$1/7777"; shift
printf 'export PATH=/usr/sbin:/usr/bin\n%s 2>&1\necho "status $?"\nexit\n' "$*" >&3
said=$(cat <&3); echo "$said"
[[ $said == *"status 0" ]]
`

func newOperator(ctx context.Context, t *testing.T, f *machinetest.Fleet) *operator {
	t.Helper()
	dir := t.TempDir()
	o := &operator{f: f, binary: filepath.Join(dir, "usr/bin/redfleet"), key: filepath.Join(dir, "fleet.key"), via: filepath.Join(dir, "via")}
	if out, err := exec.CommandContext(ctx, "dpkg-deb", "--extract", machinetest.Package(ctx, t), dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	key := machinetest.Run(ctx, t, f.Nodes[0], "cat", "/etc/redfleet/fleet.key")
	for path, text := range map[string]string{o.key: key, o.via: viaScript} {
		if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range f.Nodes {
		machinetest.Run(ctx, t, n, "systemd-run", "--quiet", "--unit=remote-shell", "systemd-socket-activate", "--accept", "--inetd",
			fmt.Sprintf("--listen=%d", remotePort), "/bin/bash")
	}
	return o
}

// gone: no node has a table or a timer of a cut.
func gone(ctx context.Context, t *testing.T, f *machinetest.Fleet) {
	t.Helper()
	for _, n := range f.Nodes {
		for what, argv := range map[string][]string{
			"table": {"nft", "list", "table", "inet", "redfleet_drill"},
			"timer": {"systemctl", "is-active", "redfleet-drill-isolate.timer"},
		} {
			machinetest.Eventually(ctx, t, 10*time.Second, n.Name+" has no "+what+" of a cut", func() bool {
				r, err := n.Run(ctx, argv...)
				return err == nil && r.Code != 0
			})
		}
	}
}
