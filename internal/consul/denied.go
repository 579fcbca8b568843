package consul

import (
	"fmt"
	"regexp"
	"strings"
)

// Right is one permission in the words of Consul's ACL rules, as in
// `key "redfleet/shop/spec" write`.
type Right struct {
	// Resource is key, service, session, node, agent or acl.
	Resource string
	// Prefix: the right is to all whose name begins with Name.
	Prefix bool
	// Name is empty for a resource that has none (acl).
	Name string
	// Access is read or write.
	Access string
}

// String is the right as an operator looks for it in a policy.
func (r Right) String() string {
	resource := r.Resource
	if r.Prefix {
		resource += "_prefix"
	}
	if r.Name == "" && !r.Prefix {
		return resource + " " + r.Access
	}
	return fmt.Sprintf("%s %q %s", resource, r.Name, r.Access)
}

// DeniedError is an ErrDenied that names the right which the token lacks.
type DeniedError struct {
	// Rights is the missing one; several where Consul hid a part of an answer and
	// did not say for want of which.
	Rights []Right
	// Accessor is the public name of the token, empty for the anonymous one or
	// where it is not known. It opens nothing: a token's secret is never part of an
	// error.
	Accessor string
}

// Error names the right and the token.
func (e *DeniedError) Error() string {
	names := make([]string, len(e.Rights))
	for i, r := range e.Rights {
		names[i] = r.String()
	}
	token := ""
	if e.Accessor != "" {
		token = " (accessor " + e.Accessor + ")"
	}
	return fmt.Sprintf("%v%s: missing right %s", ErrDenied, token, strings.Join(names, " or "))
}

// Unwrap makes it an ErrDenied.
func (e *DeniedError) Unwrap() error { return ErrDenied }

// deniedPattern is how Consul 1.11 and later refuse: "Permission denied: token
// with AccessorID 'x' lacks permission 'key:write' on "redfleet/shop/spec"".
var deniedPattern = regexp.MustCompile(`(?:AccessorID '([^']*)'|anonymous token) lacks permission '(\w+):(\w+)'(?: on "([^"]*)")?`)

// deniedError reads a refusal of Consul. What it does not know it passes on as
// Consul said it.
func deniedError(text string) error {
	text = strings.TrimSpace(text)
	if m := deniedPattern.FindStringSubmatch(text); m != nil {
		return &DeniedError{Accessor: m[1], Rights: []Right{{Resource: m[2], Access: m[3], Name: m[4]}}}
	}
	if strings.Contains(text, "ACL not found") {
		return fmt.Errorf("%w: it does not know this token (deleted, expired, or of another Consul)", ErrDenied)
	}
	return fmt.Errorf("%w: %s", ErrDenied, text)
}
