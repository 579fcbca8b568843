package change

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/secret"
)

// Key opens and seals the fleet's secrets. It is asked for only when a password
// comes from a file.
type Key func() (secret.Key, error)

// Record makes the record to write, from the one that is in Consul (nil when
// none is) and a plan without refusals. changed is false when it would say what
// is there already. A group that stays keeps its sealed password; a new one has
// its password sealed here, so that only the ciphertext leaves this machine.
func Record(old *fleet.SpecRecord, next fleet.Spec, p Plan, initial map[string]string, key Key) (rec fleet.SpecRecord, changed bool, err error) {
	rec = fleet.SpecRecord{Format: fleet.Format, Spec: next, Passwords: map[string]string{}, InitialMaster: maps.Clone(initial)}
	changed = old == nil || len(p.Make) > 0
	if old != nil {
		maps.Copy(rec.Passwords, old.Passwords)
		rec.InitialMaster = maps.Clone(old.InitialMaster)
		rec.Adopt = old.Adopt
		for group, node := range initial {
			if rec.InitialMaster == nil {
				rec.InitialMaster = map[string]string{}
			}
			changed = changed || rec.InitialMaster[group] != node
			rec.InitialMaster[group] = node
		}
	}
	for _, g := range p.Make {
		if g.Password.File == "" {
			continue
		}
		if rec.Passwords[g.Name], err = seal(g, key); err != nil {
			return fleet.SpecRecord{}, false, err
		}
	}
	return rec, changed, nil
}

func seal(g fleet.GroupSpec, key Key) (string, error) {
	k, err := key()
	if err != nil {
		return "", fmt.Errorf("sealing the password of group %q: %w", g.Name, err)
	}
	password, err := secret.ReadPasswordFile(g.Password.File)
	if err != nil {
		return "", fmt.Errorf("the password of group %q: %w", g.Name, err)
	}
	return secret.Seal(k.Recipient(), password)
}

// ComparePasswords refuses, in the plan, each group that stays but whose
// password file says something else than what was sealed for it.
func (p *Plan) ComparePasswords(old *fleet.SpecRecord, key Key) error {
	if old == nil {
		return nil
	}
	for _, g := range slices.Clone(p.Keep) {
		sealed, given := old.Passwords[g.Name]
		if !given || g.Password.File == "" {
			continue
		}
		k, err := key()
		if err != nil {
			return fmt.Errorf("comparing the password of group %q: %w", g.Name, err)
		}
		was, err := k.Open(sealed, "another key")
		if err != nil {
			return fmt.Errorf("comparing the password of group %q: %w", g.Name, err)
		}
		is, err := secret.ReadPasswordFile(g.Password.File)
		if err != nil {
			return fmt.Errorf("the password of group %q: %w", g.Name, err)
		}
		if !was.Equal(is) {
			p.Refuse(g.Name, g.Password.File+" holds another password than the one in use")
		}
	}
	return nil
}

// InitialMasters reads what --initial-master names: GROUP=NODE, or NODE alone
// where the spec has one group. A group that has elected its master already
// cannot be told another one.
func InitialMasters(given []string, next fleet.Spec, w fleet.World) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range given {
		group, node, ok := strings.Cut(text, "=")
		if !ok {
			if len(next.Groups) != 1 {
				return nil, fmt.Errorf("--initial-master %s: the spec has %d groups; write GROUP=NODE", text, len(next.Groups))
			}
			group, node = next.Groups[0].Name, text
		}
		g, found := next.Group(group)
		switch {
		case !found:
			return nil, fmt.Errorf("--initial-master %s: the spec has no group %q", text, group)
		case !slices.Contains(g.Nodes, node):
			return nil, fmt.Errorf("--initial-master %s: group %q runs on %s, and %q is none of them",
				text, group, strings.Join(g.Nodes, ", "), node)
		}
		if rec, elected := w.Groups[group]; elected {
			return nil, fmt.Errorf("--initial-master %s: group %q has elected its first master already (%s: %s); "+
				"from here on Sentinel alone decides", text, group, rec.Decision.Node, rec.Decision.Reason)
		}
		out[group] = node
	}
	return out, nil
}
