package redismodel

// history is where a server stands: its replication ids, its offset and what it
// can still hand to a replica that comes back (the backlog).
type history struct {
	replid  string
	replid2 string
	// second is the first offset that replid2 no longer covers; -1 without one.
	second int64
	offset int64

	// backlog holds the last pieces of the stream; nil until there was a replica.
	backlog []piece
	kept    int64
	active  bool
	// from is the offset of the first byte in the backlog.
	from int64
	// selected: the stream has named the database already.
	selected bool
}

// piece is one command in the stream; to is the offset after it.
type piece struct {
	args []string
	text string
	to   int64
}

const noReplID = "0000000000000000000000000000000000000000"

func newHistory(replid string) history {
	return history{replid: replid, replid2: noReplID, second: -1}
}

// openBacklog begins to keep the stream.
func (h *history) openBacklog() {
	if h.active {
		return
	}
	h.active, h.backlog, h.kept, h.from = true, nil, 0, h.offset+1
}

// append adds a command to the stream and forgets what is beyond limit bytes.
func (h *history) append(args []string, limit int64) piece {
	text := wire(args...)
	h.offset += int64(len(text))
	pc := piece{args: args, text: text, to: h.offset}
	if !h.active {
		return pc
	}
	h.backlog = append(h.backlog, pc)
	h.kept += int64(len(text))
	for len(h.backlog) > 1 && h.kept > limit {
		h.kept -= int64(len(h.backlog[0].text))
		h.from = h.backlog[0].to + 1
		h.backlog = h.backlog[1:]
	}
	return pc
}

// since gives the stream from an offset on, for a replica that names a history;
// false where only a full sync helps.
func (h *history) since(replid string, next int64) ([]piece, bool) {
	known := replid == h.replid || replid == h.replid2 && next <= h.second
	if !known || !h.active || next < h.from || next > h.offset+1 {
		return nil, false
	}
	for i, pc := range h.backlog {
		if pc.to-int64(len(pc.text))+1 >= next {
			return h.backlog[i:len(h.backlog):len(h.backlog)], true
		}
	}
	return nil, true
}

// shift is a promotion: a new id, while replicas of the old one may go on.
func (h *history) shift(replid string) {
	h.replid2, h.second = h.replid, h.offset+1
	h.replid = replid
}

// adopt is a full sync: the history is the master's now.
func (h *history) adopt(replid string, offset int64) {
	*h = newHistory(replid)
	h.offset = offset
	h.openBacklog()
}
