package state

import (
	"fmt"

	"github.com/redfleet/redfleet/internal/fleet"
	"github.com/redfleet/redfleet/internal/secret"
)

// Password opens the group's password at the version that the goal names, or a
// later one, from the sealed secret on disk, so that a start needs no Consul
// (promise fail-static). The second result is its version; 0 when the disk has
// none for this goal, and it has to be fetched.
func (s *Store) Password(key secret.Key, g fleet.InstanceGoal) (secret.Password, int, error) {
	sec, found, err := s.Secret(g.Group)
	if err != nil {
		return secret.Password{}, 0, err
	}
	if !found || sec.Version < g.SecretVersion || sec.GroupID != g.GroupID {
		return secret.Password{}, 0, nil
	}
	return OpenSecret(key, sec)
}

// OpenSecret opens a sealed secret and gives its version beside it.
func OpenSecret(key secret.Key, sec fleet.Secret) (secret.Password, int, error) {
	p, err := key.Open(sec.Sealed, sec.Recipient)
	if err != nil {
		return secret.Password{}, 0, fmt.Errorf("the password of group %s: %w", sec.Group, err)
	}
	return p, sec.Version, nil
}
