package rdb

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
)

// maxString bounds one field of the head, so that a damaged length takes no
// memory. Real fields are under 100 bytes.
const maxString = 64 << 10

// The two high bits of a length byte, and the special encodings of a string.
const (
	len6, len14, lenWide, lenEncoded = 0, 1, 2, 3

	encInt8, encInt16, encInt32, encLZF = 0, 1, 2, 3
)

// readString reads a string as rdbGenericLoadStringObject does: with a length,
// as an integer, or compressed.
func readString(r *bufio.Reader) ([]byte, error) {
	n, encoded, err := readLength(r)
	if err != nil {
		return nil, err
	}
	if !encoded {
		return readBytes(r, n)
	}
	switch n {
	case encInt8, encInt16, encInt32:
		return readInt(r, n)
	case encLZF:
		return readLZF(r)
	}
	return nil, fmt.Errorf("%w: unknown encoding %d of a string", ErrCorrupt, n)
}

// readLength gives a length, or a special encoding's number.
func readLength(r *bufio.Reader) (n uint64, encoded bool, err error) {
	first, err := r.ReadByte()
	if err != nil {
		return 0, false, err
	}
	low := uint64(first & 0x3f)
	switch first >> 6 {
	case len6:
		return low, false, nil
	case len14:
		next, err := r.ReadByte()
		return low<<8 | uint64(next), false, err
	case lenEncoded:
		return low, true, nil
	}
	width := map[byte]int{0x80: 4, 0x81: 8}[first]
	if width == 0 {
		return 0, false, fmt.Errorf("%w: unknown length byte %#x", ErrCorrupt, first)
	}
	b, err := readBytes(r, uint64(width))
	if err != nil {
		return 0, false, err
	}
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n, false, nil
}

func readBytes(r io.Reader, n uint64) ([]byte, error) {
	if n > maxString {
		return nil, fmt.Errorf("%w: a field of its head would have %d bytes", ErrCorrupt, n)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

// readInt reads a little-endian integer of 1, 2 or 4 bytes as its digits.
func readInt(r io.Reader, encoding uint64) ([]byte, error) {
	b, err := readBytes(r, 1<<encoding)
	if err != nil {
		return nil, err
	}
	var n int64
	switch encoding {
	case encInt8:
		n = int64(int8(b[0]))
	case encInt16:
		n = int64(int16(binary.LittleEndian.Uint16(b)))
	default:
		n = int64(int32(binary.LittleEndian.Uint32(b)))
	}
	return strconv.AppendInt(nil, n, 10), nil
}

// readLZF reads a compressed string. The engine tries to compress strings of
// more than 20 bytes, and a replication id has 40.
func readLZF(r *bufio.Reader) ([]byte, error) {
	packedLen, e1, err := readLength(r)
	if err != nil {
		return nil, err
	}
	fullLen, e2, err := readLength(r)
	if err != nil {
		return nil, err
	}
	if e1 || e2 || fullLen > maxString {
		return nil, fmt.Errorf("%w: a compressed field has no sensible length", ErrCorrupt)
	}
	packed, err := readBytes(r, packedLen)
	if err != nil {
		return nil, err
	}
	full, ok := unpackLZF(packed, int(fullLen))
	if !ok {
		return nil, fmt.Errorf("%w: a compressed field does not unpack", ErrCorrupt)
	}
	return full, nil
}

// unpackLZF is lzf_decompress: a control byte below 32 is followed by that many
// literal bytes and one; any other names a length and a distance back.
func unpackLZF(in []byte, size int) ([]byte, bool) {
	out := make([]byte, 0, size)
	for i := 0; i < len(in); {
		control := int(in[i])
		i++
		if control < 32 {
			end := i + control + 1
			if end > len(in) {
				return nil, false
			}
			out = append(out, in[i:end]...)
			i = end
			continue
		}
		length := control >> 5
		if length == 7 {
			if i == len(in) {
				return nil, false
			}
			length += int(in[i])
			i++
		}
		if i == len(in) {
			return nil, false
		}
		from := len(out) - (control&0x1f)<<8 - int(in[i]) - 1
		i++
		if from < 0 || len(out)+length+2 > size {
			return nil, false
		}
		for k := range length + 2 {
			out = append(out, out[from+k])
		}
	}
	return out, len(out) == size
}
