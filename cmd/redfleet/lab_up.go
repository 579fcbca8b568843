package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/lab"
	"github.com/redfleet/redfleet/internal/verdict"
	"github.com/redfleet/redfleet/internal/view"
)

func newLabUp() *cobra.Command {
	var flags labFlags
	var out output
	var asked lab.Plan
	var downAfter, timeout time.Duration
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Bring the lab up, and return when verify holds",
		Long: `Brings a lab up and returns when verify holds; everything goes on running without this shell.
On a lab that runs it only looks; on one that was stopped it goes on with the same data.`,
		Example: `  redfleet lab up
  redfleet lab up --nodes 5 --sentinels 5 --coordinators 2
  redfleet lab up --topology replication --dir /tmp/replicas
  redfleet lab up --consul 127.0.0.1:8500      # a real Consul instead of the stand-in`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o, err := flags.options(cmd)
			if err != nil {
				return err
			}
			if err := refuseZero(cmd, asked.Topology); err != nil {
				return err
			}
			asked.DownAfter = fleet.Duration(downAfter)
			for _, path := range []*string{&asked.RedisServer, &asked.TokenFile} {
				if *path == "" {
					continue
				}
				if *path, err = filepath.Abs(*path); err != nil {
					return err
				}
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			result, err := lab.Up(ctx, o, asked)
			if errors.Is(err, lab.ErrNotVerified) {
				return &exitError{exitUnreachable, err}
			}
			if err != nil {
				return err
			}
			if out.json() {
				return writeJSON(cmd.OutOrStdout(), newLabUpDocument(result))
			}
			return printLab(cmd.OutOrStdout(), result)
		},
	}
	flags.flags(cmd)
	out.flag(cmd)
	f := cmd.Flags()
	f.IntVar(&asked.Nodes, "nodes", 0, "how many nodes (default 3)")
	f.IntVar(&asked.Sentinels, "sentinels", 0, "how many of them run a sentinel (default 3)")
	f.IntVar(&asked.Coordinators, "coordinators", 0, "how many coordinators (default 1)")
	f.StringVar((*string)(&asked.Topology), "topology", "", "sentinel or replication (default sentinel)")
	f.StringVar(&asked.Consul, "consul", "", "`ADDRESS` of a real Consul to use instead of the stand-in")
	f.StringVar(&asked.TokenFile, "token-file", "", "`FILE` with the token for that Consul")
	f.DurationVar(&downAfter, "down-after", 0, "how long Sentinel waits before it takes a master for down (default 5s)")
	f.StringVar(&asked.RedisServer, "redis-server", "", "`PATH` of redis-server (default: found in PATH)")
	f.StringVar(&asked.Net, "net", "", "first three numbers of the loopback addresses, for a second lab (default 127.0.0)")
	f.DurationVar(&timeout, "timeout", time.Minute, "give up waiting after this time; nothing is stopped then")
	_ = cmd.RegisterFlagCompletionFunc("topology", cobra.FixedCompletions(fleet.Topologies(), cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// refuseZero: further down 0 stands for a flag that was left out, which nobody
// means who writes it; but replication does have no sentinels.
func refuseZero(cmd *cobra.Command, topology fleet.Topology) error {
	for _, name := range []string{"nodes", "sentinels", "coordinators"} {
		n, err := cmd.Flags().GetInt(name)
		if err != nil {
			return err
		}
		meant := name == "sentinels" && n == 0 && topology == fleet.Replication
		if n < 1 && cmd.Flags().Changed(name) && !meant {
			return usagef("--%s %d: write 1 or more, or leave it out for the default", name, n)
		}
	}
	return nil
}

// labUpDocument is the JSON of `lab up`; docs/json.md describes it.
type labUpDocument struct {
	Dir     string         `json:"dir"`
	Env     string         `json:"env"`
	Fleet   string         `json:"fleet"`
	Group   string         `json:"group"`
	Consul  string         `json:"consul"`
	Started bool           `json:"started"`
	TookS   float64        `json:"took_s"`
	Status  verdict.Status `json:"status"`
}

func newLabUpDocument(r lab.Result) labUpDocument {
	return labUpDocument{
		Dir: r.Lab.Dir, Env: r.Lab.EnvFile(), Fleet: lab.Fleet, Group: lab.Group, Consul: r.Lab.ConsulAddr(),
		Started: r.Took > 0, TookS: r.Took.Seconds(), Status: r.Status,
	}
}

// printLab shows what came up and what to try next.
func printLab(w io.Writer, r lab.Result) error {
	s := style(w)
	head := "the lab runs already, and it is verified"
	if r.Took > 0 {
		head = fmt.Sprintf("the lab is up and verified, %.2f s after its first process", r.Took.Seconds())
	}
	if _, err := fmt.Fprintf(w, "%s\n\n", head); err != nil {
		return err
	}
	if err := view.Status(w, r.Status, s); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "\n%s\n", view.Hints(hints(r), s))
	return err
}

// hints are commands that work as they are printed, from this folder.
func hints(r lab.Result) []view.Hint {
	me := os.Args[0]
	inDir := ""
	if dir, err := filepath.Abs(".lab"); err != nil || dir != r.Lab.Dir {
		inDir = " --dir " + shown(r.Lab.Dir)
	}
	victim := "n1"
	list := []view.Hint{{Command: ". " + shown(r.Lab.EnvFile()), What: "then redfleet's verbs speak to this lab"}}
	if m := r.Status.Groups[0].Master; m != nil {
		victim = m.Node
		list = append(list,
			view.Hint{Command: me + " credentials show " + lab.Group, What: "the password, to paste below"},
			view.Hint{Command: fmt.Sprintf("redis-cli -h %s --askpass info replication", m.Addr.Host), What: "the master"})
	}
	for _, n := range r.Status.Groups[0].Sentinels {
		list = append(list, view.Hint{
			Command: fmt.Sprintf("redis-cli -h %s -p %d --askpass sentinel masters", n.Addr.Host, n.Addr.Port), What: "a sentinel"})
		break
	}
	return append(list,
		view.Hint{Command: me + " status --watch", What: "in a second shell, while you"},
		view.Hint{Command: me + " lab kill " + victim + inDir, What: "kill the master's node, and bring it back with lab start " + victim + inDir},
		view.Hint{Command: me + " lab down" + inDir, What: "end it all"})
}

// shown is a path as short as it can be typed from here.
func shown(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	rel, err := filepath.Rel(here, path)
	if err != nil || strings.HasPrefix(rel, "..") {
		return path
	}
	if !strings.HasPrefix(rel, ".") {
		return "./" + rel
	}
	return rel
}
