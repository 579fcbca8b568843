package devconsul

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// reply is an answer that is complete before anything is sent, so that a fault
// can still replace it.
type reply struct {
	status int
	// index goes out as X-Consul-Index; 0 means that the answer has none.
	index       uint64
	contentType string
	body        []byte
}

func (a reply) write(w http.ResponseWriter) {
	h := w.Header()
	if a.contentType != "" {
		h.Set("Content-Type", a.contentType)
	}
	h.Set("X-Consul-Knownleader", "true")
	h.Set("X-Consul-Lastcontact", "0")
	if a.index > 0 {
		h.Set("X-Consul-Index", strconv.FormatUint(a.index, 10))
	}
	w.WriteHeader(a.status)
	// A client that went away meanwhile is no trouble of ours.
	_, _ = w.Write(a.body)
}

func jsonReply(v any) reply { return jsonStatus(http.StatusOK, v) }

func jsonStatus(status int, v any) reply {
	body, err := json.Marshal(v)
	if err != nil {
		return textReply(http.StatusInternalServerError, "encoding the answer: %v", err)
	}
	return reply{status: status, contentType: "application/json", body: body}
}

func textReply(status int, format string, args ...any) reply {
	return reply{status: status, contentType: "text/plain; charset=utf-8", body: fmt.Appendf(nil, format, args...)}
}

func (a reply) at(index uint64) reply {
	a.index = max(index, 1)
	return a
}
