package preflight

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/redfleet/redfleet/internal/effect"
	"github.com/redfleet/redfleet/internal/kernel"
	"github.com/redfleet/redfleet/internal/safefile"
)

// The labels of a fix's effects.
const (
	LabelFile  effect.Label = "preflight: write a file of kernel settings"
	LabelApply effect.Label = "preflight: bring a kernel setting into force"
)

// Labels are all of them.
func Labels() []effect.Label { return []effect.Label{LabelFile, LabelApply} }

// Apply writes the fix's files, each replaced as a whole, and runs its commands.
// It goes on after a failure. The texts say for each setting whether it is in
// force, and where not, why; ok is false where one is not, or where a file could
// not be written.
func (f Fix) Apply(ctx context.Context, in *Input, effects effect.Runner) (told []string, ok bool) {
	ok = true
	tell := func(good bool, format string, args ...any) {
		told, ok = append(told, fmt.Sprintf(format, args...)), ok && good
	}
	for _, file := range f.Files {
		err := effects.Do(ctx, LabelFile, func(context.Context) error {
			path := in.path(file.Path)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				return err
			}
			return safefile.Write(path, []byte(file.Content), 0o644)
		})
		if err != nil {
			tell(false, "%s could not be written, so the next boot takes it back: %v", file.Path, err)
		} else {
			tell(true, "%s is written", file.Path)
		}
	}
	for i, argv := range f.Commands {
		s := f.settings[i]
		var out []byte
		err := effects.Do(ctx, LabelApply, func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			var err error
			if in.Exec != nil {
				out, err = in.Exec(ctx, argv)
			} else {
				out, err = exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
			}
			return err
		})
		// What the command says of itself does not count: in a container sysctl can
		// end well and change nothing.
		if have := in.value(s); have != s.want {
			tell(false, "%s is still %s: %s", s.name, have, reason(argv, out, err))
			continue
		}
		tell(true, "%s is %s", s.name, s.want)
		if other := in.overridden(s.name, s.want); other != "" {
			tell(false, "%s sets %s to something else and comes later: it wins at the next boot", other, s.name)
		}
	}
	return told, ok
}

// value is what a setting is now.
func (in *Input) value(s setting) string {
	text, err := in.read(s.path)
	if err != nil {
		return "not known"
	}
	if s.path == kernel.HugepagesPath {
		text, _ = chosen(text)
	}
	return text
}

func reason(argv []string, out []byte, err error) string {
	said := strings.Join(strings.Fields(string(out)), " ")
	if err != nil {
		said = strings.TrimSpace(said + " (" + strings.TrimPrefix(err.Error(), string(LabelApply)+": ") + ")")
	}
	if said == "" {
		said = "it said nothing, as in a container that may not set this"
	}
	return strings.Join(argv, " ") + ": " + said
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
