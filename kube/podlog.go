package kube

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth"
)

const (
	maxLine = 8 << 10 // of one line of a log; the rest of a longer one is left out
	// logPatience is how long a cluster may take until a log begins: it asks the node first.
	logPatience = 15 * time.Second
)

// Log is a log that is being read. Close it.
type Log struct {
	body   io.ReadCloser
	lines  *bufio.Reader
	bytes  int64 // that may still be read
	after  time.Time
	cancel context.CancelFunc
}

// ErrLogBound means that as much of a log was read as may be at once.
var ErrLogBound = errors.New("as much of the log was read as is read at once")

// OpenLog begins to read a log: what is there, or with follow also what is written from now on. most bounds its bytes. It ends with ctx.
func (c *Conn) OpenLog(ctx context.Context, q berth.LogQuery, follow bool, most int64) (*Log, error) {
	query := url.Values{"timestamps": {"true"}, "tailLines": {strconv.Itoa(q.Lines)}}
	for name, is := range map[string]bool{"follow": follow, "previous": q.Previous} {
		if is {
			query.Set(name, "true")
		}
	}
	if q.Container != "" {
		query.Set("container", q.Container)
	}
	if !q.After.IsZero() {
		query.Set("sinceTime", q.After.UTC().Format(time.RFC3339)) // in whole seconds; Next leaves out the rest
	}
	l := pods.in(q.Namespace, q.Pod).call(http.MethodGet, "log")
	l.query, l.accept = query, typeJSON+", */*"
	l.plain = true
	ctx, cancel := context.WithCancelCause(ctx)
	r, err := c.request(ctx, l)
	if err != nil {
		cancel(nil)
		return nil, err
	}
	begin := time.AfterFunc(logPatience, func() { cancel(context.DeadlineExceeded) })
	answer, err := c.http.Do(r)
	if !begin.Stop() && err != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		cancel(nil)
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		err := refusal(answer, l)
		_ = answer.Body.Close()
		cancel(nil)
		return nil, err
	}
	return &Log{body: answer.Body, lines: bufio.NewReaderSize(answer.Body, maxLine), bytes: most, after: q.After,
		cancel: func() { cancel(nil) }}, nil
}

// Close ends the reading.
func (l *Log) Close() {
	l.cancel()
	_ = l.body.Close()
}

// Next is the next line. io.EOF at the end of the log, ErrLogBound at that of the bytes.
func (l *Log) Next() (berth.LogLine, error) {
	for {
		text, err := l.line()
		if err != nil {
			return berth.LogLine{}, err
		}
		line := berth.LogLine{Text: text}
		if stamp, rest, found := strings.Cut(text, " "); found || stamp != "" {
			if at := moment(stamp); !at.IsZero() {
				line = berth.LogLine{At: at, Text: rest}
			}
		}
		if !line.At.IsZero() && !line.At.After(l.after) {
			continue
		}
		line.Text = logText(line.Text)
		return line, nil
	}
}

// line reads to the end of a line, and keeps its beginning.
func (l *Log) line() (string, error) {
	text := ""
	for part := 0; ; part++ {
		if l.bytes <= 0 {
			return "", ErrLogBound
		}
		piece, err := l.lines.ReadSlice('\n')
		l.bytes -= int64(len(piece))
		if part == 0 {
			text = strings.TrimRight(string(piece), "\r\n")
		}
		switch {
		case err == nil, errors.Is(err, io.EOF) && len(text) > 0:
			if part > 0 {
				text += "…"
			}
			return text, nil
		case errors.Is(err, bufio.ErrBufferFull):
		default:
			return "", err
		}
	}
}
