package redisconf

import (
	"errors"
	"strings"
)

// ErrUnbalanced is the error of a line whose quotes do not close, or where
// something follows a closing quote without a space. The engine refuses to
// start with such a line.
var ErrUnbalanced = errors.New("unbalanced quotes")

// Split cuts one line into its arguments by the engine's own rules
// (sdssplitargs in sds.c). An empty line gives none. The error never quotes the
// line, because it may hold a password.
func Split(line string) ([]string, error) {
	var args []string
	for i := 0; ; {
		for i < len(line) && isSpace(line[i]) {
			i++
		}
		if i == len(line) {
			return args, nil
		}
		arg, next, err := splitOne(line, i)
		if err != nil {
			return nil, err
		}
		args = append(args, arg)
		i = next
	}
}

// splitOne reads the argument that starts at i and gives the place after it. A
// quote may open in the middle of an argument, as in the engine: foo"bar" is
// foobar.
func splitOne(line string, i int) (string, int, error) {
	var b strings.Builder
	for i < len(line) {
		switch c := line[i]; c {
		case ' ', '\n', '\r', '\t':
			return b.String(), i, nil
		case '"', '\'':
			next, err := splitQuoted(line, i+1, c, &b)
			return b.String(), next, err
		default:
			b.WriteByte(c)
			i++
		}
	}
	return b.String(), i, nil
}

// splitQuoted reads up to the closing quote, after which an argument must end.
func splitQuoted(line string, i int, quote byte, b *strings.Builder) (int, error) {
	for i < len(line) {
		c := line[i]
		switch {
		case c == quote:
			if i+1 < len(line) && !isSpace(line[i+1]) {
				return 0, ErrUnbalanced
			}
			return i + 1, nil
		case c == '\\' && i+1 < len(line):
			var n int
			c, n = unescape(line[i+1:], quote)
			b.WriteByte(c)
			i += n + 1
		default:
			b.WriteByte(c)
			i++
		}
	}
	return 0, ErrUnbalanced
}

// unescape reads what follows a backslash and says how many bytes it took. A
// backslash inside '…' means itself unless a ' follows.
func unescape(rest string, quote byte) (byte, int) {
	if quote == '\'' {
		if rest[0] == '\'' {
			return '\'', 1
		}
		return '\\', 0
	}
	if rest[0] == 'x' && len(rest) > 2 && isHex(rest[1]) && isHex(rest[2]) {
		return hexValue(rest[1])<<4 | hexValue(rest[2]), 3
	}
	switch rest[0] {
	case 'n':
		return '\n', 1
	case 'r':
		return '\r', 1
	case 't':
		return '\t', 1
	case 'b':
		return '\b', 1
	case 'a':
		return '\a', 1
	default:
		return rest[0], 1
	}
}

// isSpace is isspace of the C locale.
func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func hexValue(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	default:
		return c - '0'
	}
}
