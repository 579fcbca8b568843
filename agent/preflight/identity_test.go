package preflight

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/specfile"
)

// reported is a world with one report more.
func reported(node string, alive bool, r fleet.Report) *fleet.World {
	w := world()
	r.Node = node
	w.Reports[node] = fleet.ReportRecord{Alive: alive, Report: r}
	return w
}

var ofM1 = map[string]string{"/etc/machine-id": "m1\n", "/var/lib/redfleet/state/node.json": `{"agent": "a1"}`}

func TestMachineID(t *testing.T) {
	runCases(t, "machine-id", map[string]fileCase{
		"unique": {files: ofM1, world: reported("n2", true, fleet.Report{MachineID: "m2"}), want: OK, seen: "no other of 1 nodes"},
		"itself": {files: ofM1, world: reported("n1", true, fleet.Report{MachineID: "m1"}), want: OK},
		"a clone": {files: ofM1, world: reported("n2", true, fleet.Report{MachineID: "m1", Address: "10.0.0.2"}), want: Error,
			seen: "n1 (127.0.0.1) has the machine-id of n2 (10.0.0.2), m1"},
		"none":       {world: world(), want: Error, seen: "systemd-machine-id-setup"},
		"no records": {files: ofM1, want: NotApplicable},
	})
}

func TestNodeName(t *testing.T) {
	runCases(t, "node-name", map[string]fileCase{
		"new":                {files: ofM1, world: world(), want: OK, seen: "no node"},
		"its own":            {files: ofM1, world: reported("n1", true, fleet.Report{Agent: "a1", MachineID: "m1", Address: "127.0.0.1"}), want: OK},
		"before its state":   {files: map[string]string{"/etc/machine-id": "m1"}, world: reported("n1", true, fleet.Report{Agent: "a1", MachineID: "m1", Address: "127.0.0.1"}), want: OK},
		"another machine":    {files: ofM1, world: reported("n1", true, fleet.Report{Agent: "a2", MachineID: "m2", Address: "10.0.0.2"}), want: Error, seen: "under the name n1 at 10.0.0.2; this one is at 127.0.0.1"},
		"a whole clone":      {files: ofM1, world: reported("n1", true, fleet.Report{Agent: "a1", MachineID: "m1", Address: "10.0.0.2"}), want: Error, seen: "10.0.0.2"},
		"a dead one's place": {files: ofM1, world: reported("n1", false, fleet.Report{Agent: "a2", MachineID: "m2", Address: "10.0.0.2"}), want: Warning, seen: "10.0.0.2"},
		"a new address":      {files: ofM1, world: reported("n1", false, fleet.Report{Agent: "a1", MachineID: "m1", Address: "10.0.0.2"}), want: OK, seen: "before"},
		"one address, two":   {files: ofM1, world: reported("n2", true, fleet.Report{Address: "127.0.0.1"}), want: Error, seen: "n1 and n2 both"},
		"no records":         {files: ofM1, want: NotApplicable},
	})
}

// names answers like a resolver with these lines.
type names map[string][]string

func (n names) LookupHost(ctx context.Context, host string) ([]string, error) {
	if host == "slow" {
		select {
		case <-time.After(slowName + 50*time.Millisecond):
		case <-ctx.Done():
		}
	}
	if a, ok := n[host]; ok {
		return a, nil
	}
	return nil, errors.New("no such host")
}

func TestNames(t *testing.T) {
	dns := names{"h1": {"127.0.0.1"}, "debian": {"127.0.1.1"}, "both": {"127.0.0.1", "10.0.0.9"}, "h2": {"10.0.0.2"}, "slow": {"127.0.0.1"}, "mapped": {"::ffff:127.0.0.1"}}
	for name, c := range map[string]struct {
		own, peer string
		want      Status
		seen      string
	}{
		"right":         {"h1", "h2", OK, "h1 is 127.0.0.1, h2 is 10.0.0.2"},
		"as IPv6":       {"mapped", "", OK, "mapped"},
		"Debian's line": {"debian", "", Error, "debian is 127.0.1.1 here, and n1 is at 127.0.0.1"},
		"two addresses": {"both", "", Error, "127.0.0.1 and 10.0.0.9"},
		"a peer's":      {"h1", "h1", Error, "n2 is at 10.0.0.2"},
		"unknown":       {"h1", "h9", Error, "h9 (of n2): no such host"},
		"slow":          {"slow", "", Warning, "slow took"},
		"none":          {"", "", Error, "announce_hostname"},
	} {
		t.Run(name, func(t *testing.T) {
			in := &Input{Config: config(), Plan: peers(Peer{Node: "n2", Ports: []int{1}}), Resolver: dns,
				World: reported("n2", true, fleet.Report{Hostname: c.peer, Address: "10.0.0.2"})}
			in.Plan.Names, in.Config.AnnounceHostname = true, c.own
			if f := runOne(t.Context(), t, "names", in); f.Status != c.want || !strings.Contains(f.Found+f.Do, c.seen) {
				t.Errorf("%+v; want %s with %q", f, c.want, c.seen)
			}
		})
	}
	if f := runOne(t.Context(), t, "names", &Input{Config: config(), Plan: peers()}); f.Status != NotApplicable {
		t.Errorf("where addresses are announced: %+v", f)
	}
}

func TestSystemd(t *testing.T) {
	booted := map[string]string{"/run/systemd/system/": ""}
	for name, c := range map[string]struct {
		files      map[string]string
		supervisor string
		version    string
		want       Status
	}{
		"bookworm":           {booted, specfile.SupervisorSystemd, "252.30-1~deb12u2", OK},
		"just enough":        {booted, specfile.SupervisorSystemd, "v250", OK},
		"too old":            {booted, specfile.SupervisorSystemd, "249.11-0ubuntu3", Error},
		"strange":            {booted, specfile.SupervisorSystemd, "today's", Warning},
		"a container":        {nil, specfile.SupervisorProcess, "", NotApplicable},
		"not booted by it":   {nil, specfile.SupervisorSystemd, "", Error},
		"it does not answer": {booted, specfile.SupervisorSystemd, "!", Warning},
	} {
		t.Run(name, func(t *testing.T) {
			in := &Input{Root: machine(t, c.files), Config: config(), Systemd: func(context.Context) (string, error) {
				if c.version == "!" {
					return "", errors.New("D-Bus is away")
				}
				return c.version, nil
			}}
			in.Config.Supervisor = c.supervisor
			if f := runOne(t.Context(), t, "systemd", in); f.Status != c.want {
				t.Errorf("%+v; want %s", f, c.want)
			}
		})
	}
}
