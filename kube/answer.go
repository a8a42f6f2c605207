package kube

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// The bounds of an answer of one cluster. Every part is counted before it is kept; bytes count after decompression.
const (
	// maxObject bounds an answer that holds one object. etcd keeps objects of 1.5 MiB at most; those that Berth reads have a
	// few kB.
	maxObject = 512 << 10
	// maxValue bounds one item of a list, which is held as text while it is decoded.
	maxValue = 2 << 20
	// maxToken bounds a token. Kubernetes' own have about 1 kB; an HTTP header holds 64 kB at most.
	maxToken = 16 << 10
	// maxSentence is how many bytes of a text that a cluster wrote are shown to users.
	maxSentence = 300
	// maxContinue bounds the token of the next page, which goes back in an address.
	maxContinue = 4 << 10
	// maxFew bounds a list inside an object, such as the containers of a pod.
	maxFew = 1000
)

// What all clusters together may occupy: a small answer takes about 300 kB while it is read, a large one about 8 MB. Most
// answers are small, a list of thousands of nodes too, because its items are read one by one: so the few
// large ones at a time delay only each other.
var (
	smallAnswers = make(slots, 256)
	largeAnswers = make(slots, 8)
)

const (
	// largeValue is how many bytes of one value make an answer a large one.
	largeValue = 64 << 10
	// largeList is how many items do.
	largeList = 1000
)

// slots bound how many may do something at the same time.
type slots chan struct{}

func (s slots) take(ctx context.Context) error {
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the answers of other clusters left no memory to read this one's: %w", ctx.Err())
	}
}

func (s slots) give() { <-s }

// notKubernetes means that an answer is not one of Kubernetes, or larger than any of its own; see Nonsense.
type notKubernetes struct{ why string }

func (e *notKubernetes) Error() string { return e.why }

func nonsense(format string, args ...any) error {
	return &notKubernetes{cut(fmt.Sprintf(format, args...), maxSentence)}
}

// brokenOff means that the connection ended in the middle of an answer.
type brokenOff struct{ cause error }

func (e *brokenOff) Error() string { return "the cluster's answer broke off: " + e.cause.Error() }

func (e *brokenOff) Unwrap() error { return e.cause }

// cut shortens a text that a cluster wrote, so that the rest is not held in memory.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return strings.Clone(s[:most]) + "…"
}

// reader counts what is read of an answer, and of one list over all its pages.
type reader struct {
	ctx     context.Context
	body    io.Reader
	decoder *json.Decoder
	what    string // "list of nodes"
	read    int64  // of all pages
	before  int64  // of the pages before this one
	most    int64  // of all pages
	value   int64  // of one value
	large   bool   // holds one of largeAnswers
	ended   bool   // the body came to its end
}

// open begins a page.
func (r *reader) open(ctx context.Context, body io.Reader) {
	r.ctx, r.body = ctx, body
	r.ended, r.before = false, r.read
	r.decoder = json.NewDecoder(r)
}

func (r *reader) enlarge() error {
	if r.large {
		return nil
	}
	err := largeAnswers.take(r.ctx)
	r.large = err == nil
	return err
}

func (r *reader) close() {
	if r.large {
		largeAnswers.give()
		r.large = false
	}
}

// Read implements io.Reader for the decoder, which holds what it has read and not yet decoded.
func (r *reader) Read(p []byte) (int, error) {
	held := r.read - r.before - r.decoder.InputOffset()
	switch {
	case r.read >= r.most:
		return 0, nonsense("the cluster sent more than %s in one %s, and the rest was not read", size(r.most), r.what)
	case held >= r.value:
		return 0, nonsense("the cluster sent a %s with more than %s in one value, and the rest was not read", r.what, size(r.value))
	case held >= largeValue:
		if err := r.enlarge(); err != nil {
			return 0, err
		}
	}
	n, err := r.body.Read(p[:min(int64(len(p)), r.most-r.read, r.value-held)])
	r.read += int64(n)
	switch {
	case errors.Is(err, io.EOF):
		r.ended = true
	case err != nil && r.ctx.Err() != nil: // the end of the time closes the connection, and that is what the read may report
		err = &brokenOff{r.ctx.Err()}
	case err != nil:
		err = &brokenOff{err}
	}
	return n, err
}

func size(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d MiB", n>>20)
}

// judge turns an error of the decoder into one for users, by what caused it.
func (r *reader) judge(err error) error {
	_, ours := errors.AsType[*notKubernetes](err)
	_, broken := errors.AsType[*brokenOff](err)
	switch {
	case err == nil, ours, broken:
		return err
	case r.ctx.Err() != nil: // whatever the end of the time did to the answer
		return &brokenOff{r.ctx.Err()}
	case r.ended && r.read == r.before:
		return nonsense("the cluster's %s is empty", r.what)
	case r.ended && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)):
		return nonsense("the cluster's %s ends in the middle", r.what)
	}
	return nonsense("the cluster's %s is not what Kubernetes answers: %s", r.what, err.Error())
}

// few is a list inside an object. One that is longer than any that Kubernetes has is refused before it is kept.
type few[T any] []T

// UnmarshalJSON implements json.Unmarshaler.
func (f *few[T]) UnmarshalJSON(text []byte) error {
	if string(text) == "null" {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if err := expect(d, '['); err != nil {
		return err
	}
	var out few[T]
	for d.More() {
		if len(out) == maxFew {
			return nonsense("the cluster sent an object with a list of more than %d entries", maxFew)
		}
		var v T
		if err := d.Decode(&v); err != nil {
			return err
		}
		out = append(out, v)
	}
	*f = out
	return nil
}

func expect(d *json.Decoder, want json.Delim) error {
	switch t, err := d.Token(); {
	case err != nil:
		return err
	case t != want:
		return fmt.Errorf("there is no %s where there should be one", want)
	}
	return nil
}
