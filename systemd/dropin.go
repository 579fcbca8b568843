package systemd

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/redfleet/redfleet/internal/fleet"
)

// folder is where an administrator's units are, and so what redfleet writes on a
// machine; what a package brings is in /usr/lib/systemd/system.
const folder = "/etc/systemd/system"

// dropInName sorts before an operator's own drop-ins, which therefore win.
const dropInName = "10-redfleet.conf"

// usualConfig is the agent's file that the shipped unit's boot fence reads.
const usualConfig = "/etc/redfleet/agent.toml"

// write puts the unit's drop-in where systemd looks for it, and the template too
// where no package has. It tells whether anything changed.
func (s *Supervisor) write(unit string, u fleet.Unit) (changed bool, err error) {
	text, err := s.dropIn(u)
	if err != nil {
		return false, err
	}
	dir := filepath.Join(folder, unit+".d")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return false, fmt.Errorf("the unit's folder: %w", err)
	}
	changed, err = replace(filepath.Join(dir, dropInName), []byte(text))
	if err != nil {
		return false, err
	}
	st, err := s.read(s.ctx, u.Name)
	if err != nil || st.fragment != "" || st.load == "masked" {
		return changed, err
	}
	name := unit[:strings.IndexByte(unit, '@')+1] + ".service"
	template, err := files.ReadFile(name)
	if err != nil {
		return false, err
	}
	installed, err := replace(filepath.Join(folder, name), template)
	return changed || installed, err
}

// replace writes a file that differs, whole or not at all.
func replace(path string, text []byte) (changed bool, err error) {
	old, err := os.ReadFile(path) //nolint:gosec // the unit's own folder, which is root's
	switch {
	case err == nil && bytes.Equal(old, text):
		return false, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return false, err
	}
	if err := renameio.WriteFile(path, text, 0o644); err != nil { //nolint:gosec // unit files are for all to read
		return false, fmt.Errorf("writing the unit file: %w", err)
	}
	return true, nil
}

// dropIn is what the shipped template cannot know. It holds no secret: unit files
// are for all to read (promise secrets-stay-secret).
func (s *Supervisor) dropIn(u fleet.Unit) (string, error) {
	var b strings.Builder
	var bad error
	line := func(key string, words ...string) {
		for i, w := range words {
			if strings.ContainsFunc(w, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				bad = fmt.Errorf("%q cannot stand in a unit file: it has a control character", w)
			}
			words[i] = strings.ReplaceAll(w, "%", "%%")
		}
		b.WriteString(key + "=" + strings.Join(words, " ") + "\n")
	}
	b.WriteString("# Written by redfleet, again at each start of the unit. Your own settings go into\n# a file of another name beside it, as 50-local.conf: systemctl edit does so.\n[Service]\n")
	if s.options.User != "" {
		line("User", s.options.User)
		line("Group", s.options.User)
	}
	line("WorkingDirectory", "-"+u.Dir)
	line("ReadWritePaths", quote("-"+u.Dir))
	if s.options.Config != "" && s.options.Config != usualConfig && strings.HasPrefix(string(u.Name), string(fleet.KindRedis)+"-") {
		line("ExecStartPre")
		line("ExecStartPre", "+/usr/bin/redfleet", "fence", string(u.Name), "--config", quote(s.options.Config))
	}
	line("ExecStart")
	argv := make([]string, len(u.Argv))
	for i, word := range u.Argv {
		argv[i] = strings.ReplaceAll(quote(word), "$", "$$") // systemd puts variables in here
	}
	line("ExecStart", argv...)
	if u.Log != "" {
		line("StandardOutput", "append:"+u.Log)
		line("StandardError", "append:"+u.Log)
	}
	return b.String(), bad
}

// quote makes a text one word of a line (systemd.syntax(7), "QUOTING").
func quote(word string) string {
	r := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	return `"` + r.Replace(word) + `"`
}
