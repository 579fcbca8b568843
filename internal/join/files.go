package join

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	"github.com/redfleet/redfleet/internal/secret"
	"github.com/redfleet/redfleet/internal/specfile"
)

// File is one file that joining writes.
type File struct {
	Path string
	Mode fs.FileMode
	// Backup is where what is there now goes first; empty where nothing is lost.
	Backup string

	content []byte
}

// ErrDiffers: a file is there that says something else.
var ErrDiffers = errors.New("it says something else")

// files compares what is wanted with what is there. A file that says the same, in
// whatever words, stays as it is.
func (m *maker) files() error {
	key, err := secret.ReadPrivate(m.o.KeyFile)
	if err != nil {
		return err
	}
	if err := m.keyFile(key); err != nil {
		return err
	}
	for _, t := range []struct{ from, to string }{{m.o.TokenFile, "consul.token"}, {m.o.CoordinatorToken, "coordinator.token"}} {
		if t.from == "" {
			continue
		}
		token, err := secret.ReadPrivate(t.from)
		if err != nil {
			return fmt.Errorf("the token: %w", err)
		}
		if err := m.want(filepath.Join(m.o.Etc, t.to), token, 0o600, "it holds another token"); err != nil {
			return err
		}
	}
	if err := m.agentFile(); err != nil {
		return err
	}
	return m.coordinatorFile()
}

// keyFile: two files with the same key are the same, whatever their comments say.
// Where agent.toml names a place of its own for it, that one counts.
func (m *maker) keyFile(content []byte) error {
	path := m.plan.Agent.WithDefaults().KeyFile
	there, err := secret.LoadKey(path)
	if err == nil && there.Recipient() == m.key.Recipient() {
		return nil
	}
	if err != nil && !errors.Is(err, secret.ErrNoKey) && !m.o.Force {
		return err
	}
	return m.want(path, content, 0o600, "it holds another key, "+there.Recipient())
}

// agentFile: what the operator set besides stays set.
func (m *maker) agentFile() error {
	if m.hadAny && reflect.DeepEqual(m.had.WithDefaults(), m.plan.Agent.WithDefaults()) {
		return nil
	}
	why := ""
	if m.hadAny {
		why = differences(m.had, m.plan.Agent)
	}
	return m.settings("agent.toml", specfile.CommentedAgent(m.plan.Agent), m.hadAny, why)
}

func (m *maker) coordinatorFile() error {
	want := m.plan.Coordinator
	if want == nil {
		return nil
	}
	had, any, err := specfile.CoordinatorSettings(filepath.Join(m.o.Etc, "coordinator.toml"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !m.o.Force {
		return fmt.Errorf("the coordinator's file is there and cannot be read: %w", err)
	}
	want.LeaseTTL, want.LogLevel, want.LogFormat = had.LeaseTTL, had.LogLevel, had.LogFormat
	if any && reflect.DeepEqual(had.WithDefaults(), want.WithDefaults()) {
		return nil
	}
	why := ""
	if any {
		why = differences(had, *want)
	}
	return m.settings("coordinator.toml", specfile.CommentedCoordinator(*want), any, why)
}

// settings plans a file that may be replaced freely as long as nothing is set in it:
// then it is the package's, or comments alone.
func (m *maker) settings(name, text string, any bool, why string) error {
	if !any {
		m.plan.Files = append(m.plan.Files, File{Path: filepath.Join(m.o.Etc, name), Mode: 0o644, content: []byte(text)})
		return nil
	}
	return m.want(filepath.Join(m.o.Etc, name), []byte(text), 0o644, why)
}

// want plans a file; another one of that name is refused, or kept beside.
func (m *maker) want(path string, content []byte, mode fs.FileMode, why string) error {
	old, err := os.ReadFile(path) //nolint:gosec // below /etc/redfleet
	f := File{Path: path, Mode: mode, content: content}
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case bytes.Equal(bytes.TrimSpace(old), bytes.TrimSpace(content)):
		return nil
	case !m.o.Force:
		return fmt.Errorf("%s is there, and %w: %s; leave the flags out that say otherwise, or replace it with --force, which keeps it beside", path, ErrDiffers, why)
	default:
		f.Backup = path + ".before-join-" + time.Now().UTC().Format("20060102T150405")
	}
	m.plan.Files = append(m.plan.Files, f)
	return nil
}

// differences are the keys whose values two configurations of one kind do not
// share, as a diff. Configuration files hold no secrets.
func differences(had, want any) string {
	var b strings.Builder
	compare(&b, "", reflect.ValueOf(had), reflect.ValueOf(want))
	return strings.TrimSuffix(b.String(), "\n")
}

func compare(b *strings.Builder, prefix string, had, want reflect.Value) {
	for i := range had.NumField() {
		name, _, _ := strings.Cut(had.Type().Field(i).Tag.Get("toml"), ",")
		h, w := had.Field(i), want.Field(i)
		switch {
		case h.Kind() == reflect.Struct:
			compare(b, prefix+name+".", h, w)
		case !reflect.DeepEqual(h.Interface(), w.Interface()):
			if !h.IsZero() {
				fmt.Fprintf(b, "\n- %s%s = %v", prefix, name, h)
			}
			if !w.IsZero() {
				fmt.Fprintf(b, "\n+ %s%s = %v", prefix, name, w)
			}
		}
	}
}

// Write puts the files in place, each as a whole or not at all; those that were cut
// off are written by the next run. Secrets are root's alone.
func (p *Plan) Write(_ context.Context) error {
	for _, f := range p.Files {
		if err := os.MkdirAll(filepath.Dir(f.Path), 0o755); err != nil {
			return fmt.Errorf("the folder of the daemons' files: %w", err)
		}
		if f.Backup != "" {
			if err := os.Link(f.Path, f.Backup); err != nil && !errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("keeping %s: %w", f.Path, err)
			}
		}
		if err := renameio.WriteFile(f.Path, f.content, f.Mode); err != nil {
			return fmt.Errorf("writing %s: %w", f.Path, err)
		}
	}
	return nil
}
