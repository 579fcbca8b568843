package process

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// ending is how a process ended.
type ending struct {
	// known is false when the process was no child of ours.
	known  bool
	failed bool
	text   string
}

// reap collects a process that has ended, if it is our child, so that no zombie
// is left and its exit status is known.
func reap(pid int) ending {
	var ws unix.WaitStatus
	for {
		got, err := unix.Wait4(pid, &ws, unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || got != pid {
			return ending{}
		}
		return endingOf(ws)
	}
}

// endingOf uses the words of os/exec and systemd's idea of a clean exit
// (systemd.service(5), "SuccessExitStatus").
func endingOf(ws unix.WaitStatus) ending {
	if ws.Signaled() {
		e := ending{known: true, failed: true, text: "signal: " + ws.Signal().String()}
		switch ws.Signal() {
		case unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGPIPE:
			e.failed = false
		}
		if ws.CoreDump() {
			e.text += " (core dumped)"
		}
		return e
	}
	code := ws.ExitStatus()
	return ending{known: true, failed: code != 0, text: fmt.Sprintf("exit status %d", code)}
}
