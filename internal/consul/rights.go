package consul

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/hashicorp/consul/api"
)

// question is one of /v1/internal/acl/authorize.
type question struct {
	Resource, Segment, Access string
	Allow                     bool `json:",omitempty"`
}

// Missing asks Consul which of these rights the client's token lacks, without
// using any of them. A right to a prefix is asked for the prefix as a name. Where
// the ACLs are switched off nothing is missing. ErrDenied: the token itself is
// not known.
//
// It asks /v1/internal/acl/authorize, which Consul's own web page uses too.
func (c *Client) Missing(ctx context.Context, rights []Right) ([]Right, error) {
	var ask, answers []question
	for _, r := range rights {
		ask = append(ask, question{Resource: r.Resource, Segment: r.Name, Access: r.Access})
	}
	err := c.call(ctx, "asking Consul for the token's rights", func(ctx context.Context) error {
		return c.post(ctx, "/v1/internal/acl/authorize", ask, &answers)
	})
	switch {
	case errors.Is(err, ErrNoACL):
		return nil, nil
	case err != nil:
		return nil, err
	case len(answers) != len(rights):
		return nil, fmt.Errorf("asking Consul for the token's rights: %d answers for %d questions", len(answers), len(rights))
	}
	var missing []Right
	for i, a := range answers {
		if !a.Allow {
			missing = append(missing, rights[i])
		}
	}
	return missing, nil
}

// post sends what the api package has no call for, in the same way that it would:
// its own raw calls know GET, PUT and DELETE only.
func (c *Client) post(ctx context.Context, path string, body, into any) error {
	raw, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encoding a request: %w", err)
	}
	at := url.URL{Scheme: c.settled.Scheme, Host: c.settled.Address, Path: c.settled.PathPrefix + path}
	if strings.HasPrefix(at.Host, "/") {
		at.Host = "localhost" // a unix socket: the transport knows its path
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at.String(), bytes.NewReader(raw))
	if err != nil {
		return fmt.Errorf("making a request: %w", err)
	}
	if c.settled.Token != "" {
		req.Header.Set("X-Consul-Token", c.settled.Token)
	}
	resp, err := c.settled.HttpClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return api.StatusError{Code: resp.StatusCode, Body: string(answer)}
	}
	return json.Unmarshal(answer, into)
}
