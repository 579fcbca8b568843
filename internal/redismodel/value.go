package redismodel

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// kind is a RESP2 type by its first byte.
type kind byte

const (
	simple  kind = '+'
	failure kind = '-'
	integer kind = ':'
	bulk    kind = '$'
	array   kind = '*'
	// null is the nil bulk string, nullArray the nil array.
	null      kind = '0'
	nullArray kind = '1'
)

// value is one reply.
type value struct {
	kind kind
	text string
	num  int64
	list []value
}

func ok() value               { return value{kind: simple, text: "OK"} }
func status(s string) value   { return value{kind: simple, text: s} }
func fail(s string) value     { return value{kind: failure, text: s} }
func num(n int64) value       { return value{kind: integer, num: n} }
func str(s string) value      { return value{kind: bulk, text: s} }
func nothing() value          { return value{kind: null} }
func noList() value           { return value{kind: nullArray} }
func items(vs ...value) value { return value{kind: array, list: vs} }
func strs(ss ...string) value {
	v := value{kind: array}
	for _, s := range ss {
		v.list = append(v.list, str(s))
	}
	return v
}

func flag(yes bool) string {
	if yes {
		return "1"
	}
	return "0"
}

// encode writes a reply as RESP2.
func (v value) encode(b *strings.Builder) {
	switch v.kind {
	case simple, failure:
		b.WriteByte(byte(v.kind))
		b.WriteString(v.text)
	case integer:
		b.WriteByte(':')
		b.WriteString(strconv.FormatInt(v.num, 10))
	case bulk:
		fmt.Fprintf(b, "$%d\r\n%s", len(v.text), v.text)
	case null:
		b.WriteString("$-1")
	case nullArray:
		b.WriteString("*-1")
	case array:
		fmt.Fprintf(b, "*%d\r\n", len(v.list))
		for _, item := range v.list {
			item.encode(b)
		}
		return
	}
	b.WriteString("\r\n")
}

// wire is a command as a master writes it into the stream to its replicas; its
// length is what the replication offset grows by.
func wire(args ...string) string {
	var b strings.Builder
	strs(args...).encode(&b)
	return b.String()
}

var errProtocol = errors.New("not RESP")

// readValue reads one reply or command. io.EOF means that none began.
func readValue(r *bufio.Reader) (value, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		if line != "" {
			err = io.ErrUnexpectedEOF
		}
		return value{}, err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return value{}, errProtocol
	}
	rest := line[1:]
	switch k := kind(line[0]); k {
	case simple, failure:
		return value{kind: k, text: rest}, nil
	case integer:
		n, err := strconv.ParseInt(rest, 10, 64)
		return num(n), err
	case bulk:
		return readBulk(r, rest)
	case array:
		return readArray(r, rest)
	}
	return value{}, errProtocol
}

func readBulk(r *bufio.Reader, length string) (value, error) {
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 {
		return nothing(), err
	}
	b := make([]byte, n+2)
	if _, err := io.ReadFull(r, b); err != nil {
		return value{}, io.ErrUnexpectedEOF
	}
	return str(string(b[:n])), nil
}

func readArray(r *bufio.Reader, length string) (value, error) {
	n, err := strconv.Atoi(length)
	if err != nil || n < 0 {
		return noList(), err
	}
	v := value{kind: array}
	for range n {
		item, err := readValue(r)
		if err != nil {
			return value{}, io.ErrUnexpectedEOF
		}
		v.list = append(v.list, item)
	}
	return v, nil
}

// args reads a command out of an array of strings.
func (v value) args() []string {
	out := make([]string, len(v.list))
	for i, item := range v.list {
		out[i] = item.text
	}
	return out
}
