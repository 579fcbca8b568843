package fleettest

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redfleet/redfleet/internal/consul"
	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/secret"
)

// TestSecretsStaySecret is the promise of that name: a known password is
// nowhere to be found but in the engines' own 0600 files. Each place is searched
// by a function that a control shows to find what is planted there.
func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	const password = "planted-Pa55word-0123456789"
	_, addr := StandIn(t)
	f := New(t, &nets, addr)
	p, err := secret.NewPassword(password)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := secret.Seal(f.Key.Recipient(), p)
	if err != nil {
		t.Fatal(err)
	}
	f.Apply(fleet.SpecRecord{Spec: f.Spec(3, nil), Passwords: map[string]string{"main": sealed}})
	f.StartCoordinator(1, nil)
	for i := range 3 {
		f.StartAgent(i+1, nil)
	}
	f.WaitServing(servingIn)
	if got := f.Password(); got != password {
		t.Fatal("the group does not use the operator's password")
	}
	old := index(t, f.WaitServing(servingIn).Master.Node)
	provokeErrors(t, f, old)
	waitMaster(t, f, old)

	key, err := os.ReadFile(f.KeyFile())
	if err != nil {
		t.Fatal(err)
	}
	_, private, found := strings.Cut(string(key), "AGE-SECRET-KEY-")
	if !found {
		t.Fatal("the key file holds no age key")
	}
	s := searcher{t: t, f: f}
	for what, word := range map[string]string{"the password": password, "the private key": strings.TrimSpace(private)} {
		for _, place := range s.places() {
			if hits := place.search(word); len(hits) > 0 {
				t.Errorf("%s is in %s: %s", what, place.name, strings.Join(hits, ", "))
			}
		}
	}
	for _, place := range s.places() {
		word := "control-" + strconv.Itoa(len(place.name)) + "-7f3a9b"
		place.plant(word)
		if len(place.search(word)) == 0 {
			t.Errorf("the search of %s does not find what was planted there", place.name)
		}
	}
}

// provokeErrors makes the daemons log what goes wrong with a password: a wrong
// masterauth, a server that refuses, and a crash.
func provokeErrors(t *testing.T, f *Fleet, master int) {
	t.Helper()
	replica := f.Redis(master%3 + 1)
	right := f.Password()
	if err := replica.ConfigSet(t.Context(), "masterauth", "wrong"); err != nil {
		t.Fatal(err)
	}
	f.WaitFor(servingIn, "the wrong masterauth is seen", func(a fleet.Assessment) bool { return failing(a) != "" })
	if err := replica.ConfigSet(t.Context(), "masterauth", right); err != nil {
		t.Fatal(err)
	}
	f.WaitServing(servingIn)
	kill(t, f, master, fleet.KindRedis)
}

// place is one kind of place where a secret could stand.
type place struct {
	name   string
	search func(word string) []string
	plant  func(word string)
}

type searcher struct {
	t *testing.T
	f *Fleet
}

func (s searcher) places() []place {
	return []place{
		{"the daemons' logs", s.logs, func(w string) { s.f.Logger("control").Error("x " + w) }},
		{"Consul's KV", s.kv, s.plantKV},
		{"Consul's services", s.services, s.plantService},
		{"the argv or environment of a process", s.processes, s.plantProcess},
		{"a file that others can read", s.openFiles, func(w string) { s.plantFile("n1/open.txt", w, 0o644) }},
		{"a file that is not an engine's configuration", s.otherFiles, func(w string) { s.plantFile("n1/state/x.json", w, 0o600) }},
	}
}

func (s searcher) logs(word string) []string {
	if strings.Contains(s.f.Log.String(), word) {
		return []string{"the log"}
	}
	return nil
}

func (s searcher) kv(word string) (hits []string) {
	entries, err := s.f.Client.List(s.t.Context(), "")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range entries {
		if bytes.Contains(e.Value, []byte(word)) || strings.Contains(e.Key, word) {
			hits = append(hits, e.Key)
		}
	}
	return hits
}

func (s searcher) plantKV(word string) {
	if _, err := s.f.Client.Txn(s.t.Context(), consul.Set(s.f.Keys.Prefix()+"event/control", []byte("x"+word))); err != nil {
		s.t.Fatal(err)
	}
}

func (s searcher) services(word string) (hits []string) {
	all, err := s.f.Client.AgentServices(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	for id, svc := range all {
		if strings.Contains(fmt.Sprintf("%+v", svc), word) {
			hits = append(hits, id)
		}
	}
	return hits
}

func (s searcher) plantService(word string) {
	svc := consul.Service{ID: "control", Name: "control", Meta: map[string]string{"x": word}, Addr: fleet.Addr{Host: "127.0.0.1", Port: 1}}
	if err := s.f.Client.Register(s.t.Context(), svc); err != nil {
		s.t.Fatal(err)
	}
}

// processes searches every process that names the fleet's folder or is this one.
func (s searcher) processes(word string) (hits []string) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		argv, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil {
			continue
		}
		env, _ := os.ReadFile(filepath.Join(dir, "environ"))
		if bytes.Contains(argv, []byte(word)) || bytes.Contains(env, []byte(word)) {
			hits = append(hits, filepath.Base(dir))
		}
	}
	return hits
}

func (s searcher) plantProcess(word string) {
	ctx, cancel := context.WithCancel(s.t.Context())
	cmd := exec.CommandContext(ctx, "sleep", "20")
	cmd.Env = []string{"CONTROL=" + word}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { cancel(); _ = cmd.Wait() })
	eventually(s.t, 5*time.Second, "the control process is there", func() bool {
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", cmd.Process.Pid))
		return err == nil && bytes.Contains(env, []byte(word))
	})
}

// files calls see for each file of the fleet with its content.
func (s searcher) files(see func(path string, info fs.FileInfo, content []byte)) {
	err := filepath.WalkDir(s.f.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // files come and go while the fleet runs
		}
		info, err := d.Info()
		if err != nil {
			return nil //nolint:nilerr // see above
		}
		content, err := os.ReadFile(path)
		if err == nil {
			see(path, info, content)
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s searcher) openFiles(word string) (hits []string) {
	s.files(func(path string, info fs.FileInfo, content []byte) {
		if info.Mode().Perm()&0o077 != 0 && bytes.Contains(content, []byte(word)) {
			hits = append(hits, path)
		}
	})
	return hits
}

func (s searcher) otherFiles(word string) (hits []string) {
	s.files(func(path string, _ fs.FileInfo, content []byte) {
		engines := strings.HasSuffix(path, "redis.conf") || strings.HasSuffix(path, "sentinel.conf") || path == s.f.KeyFile()
		if !engines && bytes.Contains(content, []byte(word)) {
			hits = append(hits, path)
		}
	})
	return hits
}

func (s searcher) plantFile(name, word string, mode os.FileMode) {
	if err := os.WriteFile(filepath.Join(s.f.Dir, name), []byte(word), mode); err != nil {
		s.t.Fatal(err)
	}
}
