package redismodel

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// access is the default user: who may come in.
type access struct {
	on     bool
	nopass bool
	hashes []string
}

func hashOf(password string) string {
	sum := sha256.Sum256([]byte(password))
	return hex.EncodeToString(sum[:])
}

// setPassword is what requirepass does to the default user (hazard C1).
func (a *access) setPassword(password string) {
	a.hashes, a.nopass = nil, password == ""
	if password != "" {
		a.hashes = []string{hashOf(password)}
	}
}

// rule takes one word of ACL SETUSER or of a user line.
func (a *access) rule(word string) error {
	switch {
	case word == "on":
		a.on = true
	case word == "off":
		a.on = false
	case word == "nopass":
		a.nopass, a.hashes = true, nil
	case word == "resetpass":
		a.nopass, a.hashes = false, nil
	case strings.HasPrefix(word, ">"):
		a.add(hashOf(word[1:]))
	case strings.HasPrefix(word, "#") && len(word) == 65:
		a.add(word[1:])
	case strings.HasPrefix(word, "<"):
		return a.remove(hashOf(word[1:]))
	case strings.HasPrefix(word, "!"):
		return a.remove(word[1:])
	case slices.Contains([]string{"sanitize-payload", "~*", "&*", "+@all", "allkeys", "allchannels", "allcommands"}, word):
	default:
		return fmt.Errorf("the model knows no ACL rule %q", word[:1])
	}
	return nil
}

func (a *access) add(hash string) {
	a.nopass = false
	if !slices.Contains(a.hashes, hash) {
		a.hashes = append(a.hashes, hash)
	}
}

func (a *access) remove(hash string) error {
	at := slices.Index(a.hashes, hash)
	if at < 0 {
		return fmt.Errorf("The password you are trying to remove from the user does not exist")
	}
	a.hashes = slices.Delete(a.hashes, at, at+1)
	return nil
}

// line is the user line that a rewrite puts into the file.
func (a *access) line() []string {
	words := []string{"default", "on"}
	if !a.on {
		words[1] = "off"
	}
	if a.nopass {
		words = append(words, "nopass")
	}
	for _, h := range a.hashes {
		words = append(words, "#"+h)
	}
	return append(words, "~*", "&*", "+@all")
}

// getUser is the reply of ACL GETUSER default.
func (a *access) getUser() value {
	flags := []string{"on"}
	if !a.on {
		flags[0] = "off"
	}
	if a.nopass {
		flags = append(flags, "nopass")
	}
	return items(str("flags"), strs(flags...), str("passwords"), strs(a.hashes...),
		str("commands"), str("+@all"), str("keys"), str("~*"), str("channels"), str("&*"), str("selectors"), items())
}

func (d *desk) aclCommand(args []string) (value, bool) {
	switch {
	case len(args) == 1 && strings.EqualFold(args[0], "WHOAMI"):
		return str("default"), true
	case len(args) == 2 && strings.EqualFold(args[0], "GETUSER"):
		if args[1] != "default" {
			return noList(), true
		}
		return d.acl.getUser(), true
	case len(args) > 2 && strings.EqualFold(args[0], "SETUSER") && args[1] == "default":
		next := d.acl
		next.hashes = slices.Clone(next.hashes)
		for _, word := range args[2:] {
			if err := next.rule(word); err != nil {
				return fail("ERR Error in ACL SETUSER modifier: " + err.Error()), true
			}
		}
		d.acl = next
		return ok(), true
	}
	return value{}, false
}
