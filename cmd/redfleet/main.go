// Command redfleet brings up Redis and Valkey with Sentinel on bare machines
// and keeps them so. Each verb has a file of its own: flags, wiring and exit
// codes, nothing else.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), ends()...)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// ends are the signals upon which redfleet ends in good order: a planned failover that
// asked a sentinel goes on to its end (hazard S13). A hangup is one of them: the way to
// who started it is lost. Where it is ignored, as under nohup, it stays so.
func ends() []os.Signal {
	all := []os.Signal{os.Interrupt, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		all = append(all, syscall.SIGHUP)
	}
	return all
}

// lostOutput keeps a command alive whose output nobody reads any more, until the
// function that it returns is called: the connection of an ssh that has ended gives no
// hangup, and a write to it would end the command by SIGPIPE in the midst of a failover.
func lostOutput() func() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGPIPE)
	return func() { signal.Stop(c) }
}

// run is the whole program: data goes to stdout, everything else to stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot(stdout, stderr)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitGood
	}
	if text := err.Error(); text != "" {
		fmt.Fprintf(stderr, "%s: %s\n", cmd.CommandPath(), text)
	}
	if next := wayOn(cmd, err); next != "" {
		fmt.Fprintln(stderr, next)
	}
	return exitCode(err)
}
