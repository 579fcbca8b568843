package redismodel

import (
	"bufio"
	"bytes"
	"errors"
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
	v := value{kind: array, list: make([]value, len(ss))}
	for i, s := range ss {
		v.list[i] = str(s)
	}
	return v
}

func flag(yes bool) string {
	if yes {
		return "1"
	}
	return "0"
}

// encode appends a reply as RESP2.
func (v *value) encode(b []byte) []byte {
	switch v.kind {
	case simple, failure:
		b = append(append(b, byte(v.kind)), v.text...)
	case integer:
		b = strconv.AppendInt(append(b, ':'), v.num, 10)
	case bulk:
		b = append(strconv.AppendInt(append(b, '$'), int64(len(v.text)), 10), "\r\n"...)
		b = append(b, v.text...)
	case null:
		b = append(b, "$-1"...)
	case nullArray:
		b = append(b, "*-1"...)
	case array:
		b = append(strconv.AppendInt(append(b, '*'), int64(len(v.list)), 10), "\r\n"...)
		for i := range v.list {
			b = v.list[i].encode(b)
		}
		return b
	}
	return append(b, "\r\n"...)
}

// wire is a command as a master writes it into the stream to its replicas; its
// length is what the replication offset grows by.
func wire(args ...string) string {
	v := strs(args...)
	return string(v.encode(nil))
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

// readCommand reads the command that b begins with, and how long it is; 0 while
// not all of it is there.
func readCommand(b []byte) (args []string, used int, err error) {
	count, at, err := header(b, 0, array)
	if err != nil || at == 0 {
		return nil, 0, err
	}
	args = make([]string, 0, max(count, 0))
	for range count {
		length, begins, err := header(b, at, bulk)
		if err != nil || begins == 0 || len(b) < begins+length+2 {
			return nil, 0, err
		}
		at = begins + length + 2
		args = append(args, string(b[begins:begins+length]))
	}
	return args, at, nil
}

// header reads the line of a length at a place in b, and where the next one
// begins; 0 while not all of it is there.
func header(b []byte, at int, want kind) (length, next int, err error) {
	if at >= len(b) {
		return 0, 0, nil
	}
	if kind(b[at]) != want {
		return 0, 0, errProtocol
	}
	end := bytes.IndexByte(b[at:], '\n')
	if end < 0 {
		return 0, 0, nil
	}
	length, err = strconv.Atoi(string(bytes.TrimSuffix(b[at+1:at+end], []byte("\r"))))
	if err != nil || length < 0 {
		return 0, 0, errProtocol
	}
	return length, at + end + 1, nil
}
