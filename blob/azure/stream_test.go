package azure_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// noise is content of a size that nobody holds in memory.
func noise(seed byte, size int64) io.Reader {
	return io.LimitReader(rand.NewChaCha8([32]byte{seed}), size)
}

func sum(r io.Reader) (string, int64, error) {
	h := sha256.New()
	n, err := io.Copy(h, r)
	return hexOf(h), n, err
}

func hexOf(h hash.Hash) string { return fmt.Sprintf("%x", h.Sum(nil)) }

// watch measures the heap until the function that it returns is called, which returns the most that it had.
func watch(t *testing.T) (most func() uint64) {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	var peak atomic.Uint64
	var done sync.WaitGroup
	done.Go(func() {
		var m runtime.MemStats
		for tick := time.Tick(10 * time.Millisecond); ctx.Err() == nil; <-tick {
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.HeapInuse))
		}
	})
	return func() uint64 {
		end()
		done.Wait()
		return peak.Load()
	}
}

// TestStreams sends 300 MB as one blob and as blocks that arrive at the same time, and reads them: the client and the server together
// hold a small part of it.
func TestStreams(t *testing.T) {
	const block = 20 << 20
	size := int64(300 << 20)
	if testing.Short() {
		size = 80 << 20 // still more than what is allowed
	}
	w := newWorld(t)
	most := watch(t)
	want, _, err := sum(noise(1, size))
	if err != nil {
		t.Fatal(err)
	}
	w.want(http.StatusCreated, http.MethodPut, "/work/whole", noise(1, size), "x-ms-blob-type", "BlockBlob") // in chunks
	var ids []string
	var uploads sync.WaitGroup
	slots := make(chan struct{}, 4)
	for i := range byte(size / block) {
		id := base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%06d", i))
		ids = append(ids, id)
		uploads.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			w.want(http.StatusCreated, http.MethodPut, "/work/blocks?comp=block&blockid="+id, noise(i, block))
		})
	}
	uploads.Wait()
	w.want(http.StatusCreated, http.MethodPut, "/work/blocks?comp=blocklist", blockList("Latest", ids...))
	var parts []io.Reader
	for i := range byte(size / block) {
		parts = append(parts, noise(i, block))
	}
	wantBlocks, _, err := sum(io.MultiReader(parts...))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"whole": want, "blocks": wantBlocks} {
		response, err := http.Get(w.url + "/work/" + name + "?" + w.hour("work", "", "r"))
		if err != nil {
			t.Fatal(err)
		}
		got, n, err := sum(response.Body)
		response.Body.Close()
		if err != nil || got != want || n != size || response.ContentLength != size {
			t.Errorf("%s: %d bytes, %s, %v; want %s", name, n, got, err, want)
		}
	}
	if peak := most(); peak > 64<<20 {
		t.Errorf("the heap had %d MB", peak>>20)
	}
}

// TestResumed reads a blob in ranges, one of them twice, and goes on with an upload of which some blocks have arrived.
func TestResumed(t *testing.T) {
	w := newWorld(t)
	content, err := io.ReadAll(noise(7, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range []string{"AAAA", "AAAB", "AAAB", "AAAC"} {
		part := content[min(i, 2)*300_000:]
		if id != "AAAC" {
			part = part[:300_000]
		}
		if id == "AAAB" {
			part = content[300_000:600_000]
		}
		w.want(http.StatusCreated, http.MethodPut, "/work/model?comp=block&blockid="+id, bytes.NewReader(part))
	}
	w.want(http.StatusCreated, http.MethodPut, "/work/model?comp=blocklist", blockList("Latest", "AAAA", "AAAB", "AAAC"))
	etag := w.want(http.StatusOK, http.MethodHead, "/work/model", nil).header.Get("ETag")
	var got []byte
	for len(got) < len(content) {
		end := min(len(got)+100_000, len(content)) - 1
		part := w.want(http.StatusPartialContent, http.MethodGet, "/work/model", nil,
			"x-ms-range", fmt.Sprintf("bytes=%d-%d", len(got), end), "If-Match", etag)
		if len(part.body) != end-len(got)+1 {
			t.Fatalf("the range has %d bytes", len(part.body))
		}
		got = append(got, part.body...)
	}
	if !bytes.Equal(got, content) {
		t.Error("the parts do not make the content")
	}
	w.put("model", "other")
	w.want(http.StatusPreconditionFailed, http.MethodGet, "/work/model", nil, "x-ms-range", "bytes=0-3", "If-Match", etag)
}
