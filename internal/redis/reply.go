package redis

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

// text reads a string out of a RESP2 reply.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	default:
		return ""
	}
}

// number reads an integer out of a RESP2 reply, where Sentinel writes it as a string.
func number(v any) int64 {
	switch v := v.(type) {
	case int64:
		return v
	case string:
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return 0
		}
		return n
	default:
		return 0
	}
}

// lines calls f for each "key:value" line of an INFO reply.
func lines(info string, f func(key, value string)) {
	for len(info) > 0 {
		line := info
		if end := strings.IndexByte(info, '\n'); end >= 0 {
			line, info = info[:end], info[end+1:]
		} else {
			info = ""
		}
		line = strings.TrimSuffix(line, "\r")
		if key, value, ok := strings.Cut(line, ":"); ok {
			f(key, value)
		}
	}
}

// fields calls f for each "key=value" of a comma list, as in
// "ip=10.0.0.2,port=6379,state=online,offset=42,lag=0".
func fields(list string, f func(key, value string)) {
	for list != "" {
		var item string
		item, list, _ = strings.Cut(list, ",")
		if key, value, ok := strings.Cut(item, "="); ok {
			f(key, value)
		}
	}
}

// asksFor tells from an ACL GETUSER reply for "default" whether a client must
// give this password: the user is on, needs a password, and takes this one.
// Unlike requirepass this stays true when ACL lines decide (hazards C2, C4).
func asksFor(acl []any, password digest) bool {
	on, nopass, match := false, false, false
	for i := 0; i+1 < len(acl); i += 2 {
		values, _ := acl[i+1].([]any)
		switch text(acl[i]) {
		case "flags":
			for _, v := range values {
				on = on || text(v) == "on"
				nopass = nopass || text(v) == "nopass"
			}
		case "passwords":
			for _, v := range values {
				match = match || isDigest(text(v), password)
			}
		}
	}
	return on && !nopass && match
}

func isDigest(hexText string, want digest) bool {
	var got digest
	if hex.DecodedLen(len(hexText)) != sha256.Size {
		return false
	}
	_, err := hex.Decode(got[:], []byte(hexText))
	return err == nil && got == want
}
