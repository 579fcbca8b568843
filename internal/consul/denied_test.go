package consul

import (
	"errors"
	"slices"
	"testing"
)

// TestDeniedErrorReadsConsulsWords: as Consul 1.20.1 says them.
func TestDeniedErrorReadsConsulsWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		right    Right
		accessor string
		named    bool
	}{
		`Permission denied: token with AccessorID '79a2' lacks permission 'key:write' on "redfleet/shop/spec"`: {
			Right{Resource: "key", Name: "redfleet/shop/spec", Access: "write"}, "79a2", true},
		`Permission denied: anonymous token lacks permission 'session:write' on "n1". The anonymous token is used implicitly when a request does not specify a token.`: {
			Right{Resource: "session", Name: "n1", Access: "write"}, "", true},
		`Permission denied: token with AccessorID '79a2' lacks permission 'acl:read'`: {Right{Resource: "acl", Access: "read"}, "79a2", true},
		`ACL not found`:     {},
		`Permission denied`: {},
	} {
		err := deniedError(text)
		var d *DeniedError
		if !errors.Is(err, ErrDenied) || errors.As(err, &d) != want.named {
			t.Errorf("%q is read as %v", text, err)
			continue
		}
		if want.named && (!slices.Equal(d.Rights, []Right{want.right}) || d.Accessor != want.accessor) {
			t.Errorf("%q is read as %+v", text, d)
		}
	}
}

func TestRightIsWrittenAsInAPolicy(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]Right{
		`key "redfleet/shop/spec" write`:   {Resource: "key", Name: "redfleet/shop/spec", Access: "write"},
		`key_prefix "redfleet/shop/" read`: {Resource: "key", Prefix: true, Name: "redfleet/shop/", Access: "read"},
		`node_prefix "" read`:              {Resource: "node", Prefix: true, Access: "read"},
		`acl write`:                        {Resource: "acl", Access: "write"},
	} {
		if got := r.String(); got != want {
			t.Errorf("%+v is written as %s, want %s", r, got, want)
		}
	}
}
