package systemd

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/redfleet/redfleet/internal/fleet"
)

// TestDropIn: what a machine adds to the shipped unit, with every word kept one
// word, whatever is in it.
func TestDropIn(t *testing.T) {
	t.Parallel()
	s := &Supervisor{options: Options{User: "redfleet", Config: "/srv/my agent.toml"}}
	got, err := s.dropIn(fleet.Unit{
		Name: "redis-main-6379", Dir: "/srv/50% full/redis-main-6379", Log: "/var/log/redfleet/redis-main-6379.log",
		Argv: []string{"/opt/redis/redis-server", `/srv/a "b" $HOME\c`},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `[Service]
User=redfleet
Group=redfleet
WorkingDirectory=-/srv/50%% full/redis-main-6379
ReadWritePaths="-/srv/50%% full/redis-main-6379"
ExecStartPre=
ExecStartPre=+/usr/bin/redfleet fence redis-main-6379 --config "/srv/my agent.toml"
ExecStart=
ExecStart="/opt/redis/redis-server" "/srv/a \"b\" $$HOME\\c"
StandardOutput=append:/var/log/redfleet/redis-main-6379.log
StandardError=append:/var/log/redfleet/redis-main-6379.log
`
	_, settings, _ := strings.Cut(got, "\n[Service]\n")
	if diff := cmp.Diff(want, "[Service]\n"+settings); diff != "" {
		t.Error(diff)
	}
}

// TestDropInOfASentinel: it has no boot fence, and a log in the journal needs no line.
func TestDropInOfASentinel(t *testing.T) {
	t.Parallel()
	s := &Supervisor{options: Options{Config: "/etc/redfleet/agent.toml"}}
	got, err := s.dropIn(fleet.Unit{Name: "sentinel-main-26379", Dir: "/d", Argv: []string{"/s", "c", "--sentinel"}})
	if err != nil || strings.Contains(got, "fence") || strings.Contains(got, "StandardOutput") || strings.Contains(got, "User=") {
		t.Errorf("%v:\n%s", err, got)
	}
}

// TestDropInTakesNoSecondLine: nothing can become a setting of its own.
func TestDropInTakesNoSecondLine(t *testing.T) {
	t.Parallel()
	for name, u := range map[string]fleet.Unit{
		"folder":   {Name: "redis-main-1", Dir: "/d\nUser=root", Argv: []string{"/s"}},
		"argument": {Name: "redis-main-1", Dir: "/d", Argv: []string{"/s", "a\nExecStart=/x"}},
		"log":      {Name: "redis-main-1", Dir: "/d", Argv: []string{"/s"}, Log: "/l\nUser=root"},
	} {
		if got, err := (&Supervisor{}).dropIn(u); err == nil {
			t.Errorf("%s was taken:\n%s", name, got)
		}
	}
}
