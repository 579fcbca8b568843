package machinetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/redfleet/redfleet/e2e/machine"
)

// consulLimit bounds one request to Consul.
const consulLimit = 10 * time.Second

// Consul asks the node's Consul, without a token, and gives the answer's body. An
// answer other than 200 is an error.
func (f *Fleet) Consul(ctx context.Context, n *machine.Node, method, path string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, consulLimit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, "http://"+n.ConsulAddress()+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{DialContext: f.Lab.Dial, DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s of Consul on %s: %s: %s", method, path, n.Name, response.Status, text)
	}
	return text, err
}
