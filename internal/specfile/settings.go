package specfile

import (
	"os"

	"github.com/BurntSushi/toml"
)

// DefaultConsul is where Consul is looked for when no file says it.
const DefaultConsul = defaultConsul

// AgentSettings reads what an agent's file sets, without defaults and without asking
// whether it is enough; any is false for a file that sets nothing, such as one with
// comments alone. A key that is not known, or has a wrong type, is an error.
func AgentSettings(path string) (c AgentConfig, any bool, err error) {
	any, err = settings(path, &c)
	return c, any, err
}

// CoordinatorSettings is AgentSettings for a coordinator's file.
func CoordinatorSettings(path string) (c CoordinatorConfig, any bool, err error) {
	any, err = settings(path, &c)
	return c, any, err
}

func settings(path string, into any) (bool, error) {
	f, err := read(path, into)
	if err != nil {
		return false, err
	}
	if err := f.verdict(nil); err != nil {
		return false, err
	}
	text, err := os.ReadFile(path) //nolint:gosec // the daemon's own file
	if err != nil {
		return false, err
	}
	meta, err := toml.Decode(string(text), &map[string]any{})
	if err != nil {
		return false, err
	}
	for _, key := range meta.Keys() {
		if meta.Type(key...) != "Hash" {
			return true, nil
		}
	}
	return false, nil
}
