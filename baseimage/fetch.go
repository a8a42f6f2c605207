package baseimage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"berth.dev/berth"
)

// The largest answers that are read. Real ones are a tenth of that.
const (
	maxRelease = 16 << 20
	maxIndex   = 256 << 20
	maxFile    = 512 << 20
)

const (
	fetchAttempts = 3
	fetchPatience = 5 * time.Minute // for one file
	fetchAtOnce   = 4
)

// fetcher gets files over HTTP, or from a folder of this machine.
type fetcher struct{ client *http.Client }

func newFetcher(proxy func(*http.Request) (*url.URL, error)) fetcher {
	t := &http.Transport{
		Proxy: proxy, DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext, ForceAttemptHTTP2: true,
		TLSHandshakeTimeout: 10 * time.Second, ResponseHeaderTimeout: 30 * time.Second, IdleConnTimeout: 30 * time.Second,
		MaxIdleConnsPerHost: fetchAtOnce,
	}
	t.RegisterProtocol("file", http.NewFileTransport(http.Dir("/"))) // #nosec: a folder that the user names
	return fetcher{&http.Client{Transport: t}}
}

// statusError is an answer that is no file.
type statusError int

func (e statusError) Error() string {
	return fmt.Sprintf("it answers %d %s", int(e), http.StatusText(int(e)))
}

// get reads a file of at most so many bytes. What may pass is tried again.
func (f fetcher) get(ctx context.Context, address string, most int64) ([]byte, error) {
	for attempt := 1; ; attempt++ {
		text, err := f.once(ctx, address, most)
		status, isStatus := errors.AsType[statusError](err)
		if err == nil || attempt == fetchAttempts || ctx.Err() != nil || isStatus && status < 500 {
			return text, err
		}
	}
}

func (f fetcher) once(ctx context.Context, address string, most int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchPatience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "berth")
	req.Header.Set("Accept-Encoding", "identity") // digests are of the files as they are
	res, err := f.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, statusError(res.StatusCode)
	}
	var out bytes.Buffer
	n, err := io.Copy(&out, io.LimitReader(res.Body, most+1))
	if err == nil && n > most {
		err = fmt.Errorf("it has more than %d MB", most>>20)
	}
	return out.Bytes(), err
}

// shown is an address without the password that it may hold.
func shown(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Redacted()
	}
	return address
}

func digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// unreachable is a file that could not be fetched.
func unreachable(address string, err error) error {
	return berth.Errorf(berth.CodeProviderUnavailable, "%s cannot be fetched: %s. Check the network and the proxy, or name another mirror "+
		"(--mirror) or index (--index-url).", shown(address), strings.ReplaceAll(berth.Plain(err), address, "it"))
}

// download fetches the packages, several at once, and verifies each.
func (b *build) download(ctx context.Context, packages []pinned) ([]deb, error) {
	b.say("fetching %d packages", len(packages))
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	out, next := make([]deb, len(packages)), make(chan int)
	var workers sync.WaitGroup
	for range fetchAtOnce {
		workers.Go(func() {
			for i := range next {
				text, err := b.fetchPackage(ctx, packages[i])
				if err == nil {
					out[i], err = readDeb(packages[i].Name, text)
				}
				if err != nil {
					cancel(err) // the first one counts
				}
			}
		})
	}
	for i := range packages {
		if ctx.Err() == nil {
			next <- i
		}
	}
	close(next)
	workers.Wait()
	return out, context.Cause(ctx)
}

// fetchPackage gets a package from the first mirror that has it.
func (b *build) fetchPackage(ctx context.Context, p pinned) ([]byte, error) {
	tried := map[string]bool{}
	for _, m := range b.mirrors {
		if tried[m.uri] {
			continue
		}
		tried[m.uri] = true
		address := m.uri + "/" + p.File
		text, err := b.archives.get(ctx, address, maxFile)
		if status, isStatus := errors.AsType[statusError](err); isStatus && status == http.StatusNotFound {
			continue
		}
		if err != nil {
			return nil, unreachable(address, err)
		}
		if digest(text) != p.SHA256 {
			return nil, wrongDigest(address)
		}
		return text, nil
	}
	return nil, berth.Errorf(berth.CodeNotFound, "No mirror has %s %s any more (%s). Name a mirror that keeps old packages (--mirror), or "+
		"remove "+
		"the lock file for a new one.", p.Name, p.Version, p.File)
}

func wrongDigest(address string) error {
	return berth.Errorf(berth.CodeBadRequest, "%s is not the file that was announced: its SHA-256 differs. Try again later, when the "+
		"mirror is "+
		"complete, or name another one.", shown(address))
}
