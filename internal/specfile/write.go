package specfile

import (
	"bytes"
	"fmt"

	"github.com/BurntSushi/toml"

	"github.com/redfleet/redfleet/internal/fleet"
)

// SpecText writes a spec as TOML that ReadSpec reads back.
func SpecText(s fleet.Spec) ([]byte, error) {
	var b bytes.Buffer
	enc := toml.NewEncoder(&b)
	enc.Indent = ""
	if err := enc.Encode(s); err != nil {
		return nil, fmt.Errorf("writing a spec as TOML: %w", err)
	}
	return b.Bytes(), nil
}
