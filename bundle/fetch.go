package bundle

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"
)

const (
	fetchers     = 4 // files at a time
	fetchTries   = 20
	fetchWait    = 500 * time.Millisecond
	headerPeriod = 30 * time.Second
)

// errGone is worth no other try.
var errGone = errors.New("the store of files does not have it; deploy again")

// Fetch brings the files of a list into a folder, and verifies each by its digest. Archives are unpacked within bounds.
func Fetch(ctx context.Context, l *List, dir string) error {
	if err := l.Check(); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	client := &http.Client{Transport: &http.Transport{ResponseHeaderTimeout: headerPeriod, MaxIdleConnsPerHost: fetchers}}
	defer client.CloseIdleConnections()
	todo := make(chan File)
	var all sync.WaitGroup
	for range fetchers {
		all.Go(func() {
			for f := range todo {
				if err := fetchOne(ctx, client, root, l.From, f); err != nil {
					stop(fmt.Errorf("the file %q: %w", f.Path, err))
				}
			}
		})
	}
	for _, f := range l.Files {
		select {
		case todo <- f:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(todo)
	all.Wait()
	return context.Cause(ctx)
}

func fetchOne(ctx context.Context, client *http.Client, root *os.Root, from string, f File) error {
	path, err := local(f.Path)
	if err != nil {
		return err
	}
	if f.Unpack {
		if err := root.MkdirAll(path, 0o755); err != nil {
			return err
		}
		path = ".archive-" + f.Digest
		defer func() { _ = root.Remove(path) }()
	} else if err := root.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := download(ctx, client, root, path, f, from); err != nil {
		return err
	}
	if !f.Unpack {
		return nil
	}
	return unpack(ctx, root, path, f)
}

// download tries again while the store does not answer: it may have been started with the pod.
func download(ctx context.Context, client *http.Client, root *os.Root, path string, f File, from string) error {
	address, err := url.JoinPath(from, "files", f.Digest)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		err := downloadOnce(ctx, client, root, path, f, address)
		if err == nil || errors.Is(err, errGone) || ctx.Err() != nil || try == fetchTries {
			return err
		}
		t := time.NewTimer(fetchWait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

func downloadOnce(ctx context.Context, client *http.Client, root *os.Root, path string, f File, address string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return errGone
	default:
		return fmt.Errorf("the store of files answered %s", answer.Status)
	}
	to, err := root.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(to, sum), io.LimitReader(answer.Body, f.Size+1))
	if err := errors.Join(err, to.Close()); err != nil {
		return err
	}
	if n != f.Size || hex.EncodeToString(sum.Sum(nil)) != f.Digest {
		return fmt.Errorf("what the store of files sent does not have the size and the digest of the file")
	}
	return nil
}
