// Images builds the base images of machines for tests that are not cached yet, so
// that no test waits for them:
//
//	go run ./e2e/images                    those that make e2e uses
//	go run ./e2e/images trixie/sid-valkey  others
//
// An image is a Debian suite, with a slash and its engines (machine.Engines) where
// they are not the suite's own.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/redfleet/redfleet/e2e/machine"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	log := logrus.New()
	log.SetLevel(logrus.WarnLevel)
	names := os.Args[1:]
	if len(names) == 0 {
		names = []string{"bookworm", "bookworm/" + string(machine.NoEngines), "trixie"}
	}
	for _, name := range names {
		suite, engines, _ := strings.Cut(name, "/")
		start := time.Now()
		dir, err := machine.Prepare(ctx, machine.Options{Suite: suite, Engines: machine.Engines(engines), Log: log})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			stop()
			os.Exit(1)
		}
		fmt.Printf("image %s: %s (%.0f s)\n", name, dir, time.Since(start).Seconds())
	}
}
