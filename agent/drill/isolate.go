package drill

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/specfile"
)

const (
	// table is the firewall table of a cut, and of nothing else.
	table = "redfleet_drill"
	// timer is the unit that removes it.
	timer = "redfleet-drill-isolate"
)

// Isolate cuts this machine off from the group's servers and sentinels on others, in
// both directions, for a time; everything else goes through, clients too. Two things
// end the cut, and neither needs this program to live: the kernel forgets the peers
// after that time by itself, and a timer of systemd's, which is set before the cut,
// removes what is left of the table. A restart of the machine ends it too.
func Isolate(ctx context.Context, cfg specfile.AgentConfig, g fleet.InstanceGoal, cut time.Duration, effects effect.Runner) error {
	if cfg.Supervisor == specfile.SupervisorProcess {
		return errors.New("a machine can be isolated only where systemd runs the instances: its timer ends the cut; nothing was done")
	}
	peers, ports, err := peersOf(ctx, cfg, g)
	if err != nil {
		return err
	}
	nft, err := exec.LookPath("nft")
	if err != nil {
		return fmt.Errorf("%w; install nftables; nothing was done", err)
	}
	err = effects.Do(ctx, LabelDeadMan, func(ctx context.Context) error {
		return runTool(ctx, "", "systemd-run", "--quiet", "--collect", "--unit="+timer, "--on-active="+seconds(cut),
			"--timer-property=AccuracySec=100ms", nft, "delete", "table", "inet", table)
	})
	if err != nil {
		return fmt.Errorf("%w; nothing was cut (where an earlier cut is not over: systemctl status %s.timer)", err, timer)
	}
	err = effects.Do(ctx, LabelCut, func(ctx context.Context) error { return runTool(ctx, rules(peers, ports, cut), nft, "-f", "-") })
	if err != nil {
		// Nothing was cut, since nft takes all of it or nothing: the next try needs the name.
		err = errors.Join(err, effects.Do(context.WithoutCancel(ctx), LabelDeadMan, func(ctx context.Context) error {
			return runTool(ctx, "", "systemctl", "stop", timer+".timer")
		}))
	}
	return err
}

// seconds as systemd and nft both take them, rounded up. The timer begins a moment
// before the cut, which is shorter by that.
func seconds(d time.Duration) string { return fmt.Sprintf("%ds", int((d+time.Second-1)/time.Second)) }

// rules are the table: packets of the group's ports from and to peers are dropped for
// as long as the peers are in the sets, which forget them after the time of the cut.
func rules(peers []net.IP, ports []int, cut time.Duration) string {
	var v4, v6 []net.IP
	for _, ip := range peers {
		if ip.To4() != nil {
			v4 = append(v4, ip)
		} else {
			v6 = append(v6, ip)
		}
	}
	var b strings.Builder
	set := func(name, kind string, list []net.IP) {
		fmt.Fprintf(&b, "  set %s { type %s; flags timeout;", name, kind)
		if len(list) > 0 {
			fmt.Fprintf(&b, " elements = { %s };", join(list, " timeout "+seconds(cut)))
		}
		b.WriteString(" }\n")
	}
	chain := func(hook, side string) {
		fmt.Fprintf(&b, "  chain %s { type filter hook %s priority -300; policy accept;\n", hook, hook)
		for _, match := range []string{"ip " + side + " @peers4", "ip6 " + side + " @peers6"} {
			for _, end := range []string{"sport", "dport"} {
				fmt.Fprintf(&b, "    %s tcp %s { %s } drop\n", match, end, join(ports, ""))
			}
		}
		b.WriteString("  }\n")
	}
	fmt.Fprintf(&b, "table inet %s\ndelete table inet %s\ntable inet %s {\n", table, table, table)
	set("peers4", "ipv4_addr", v4)
	set("peers6", "ipv6_addr", v6)
	chain("input", "saddr")
	chain("output", "daddr")
	b.WriteString("}\n")
	return b.String()
}

// runTool is one command; what it said is in the error.
func runTool(ctx context.Context, input string, argv ...string) error {
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &said, &said
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", argv[0], err, strings.TrimSpace(said.String()))
	}
	return nil
}
