package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// backedUp is how many resources the server has when it is backed up, and readers how many clients it has meanwhile.
const (
	backedUp = 20_000
	readers  = 4
)

// backup backs up a server that answers requests, half of which write, and compares their times with those before.
func (b *bench) backup(ctx context.Context) error {
	token, err := b.token(ctx)
	if err != nil {
		return err
	}
	web, err := b.httpClient()
	if err != nil {
		return err
	}
	var made atomic.Int64
	if _, err := b.hammerUntil(func(time.Duration) bool { return made.Load() >= backedUp }, web, 32, func(int64) (*http.Request, error) {
		return b.workspaceRequest(token, http.MethodPut, made.Add(1))
	}); err != nil {
		return err
	}
	ask := func(i int64) (*http.Request, error) {
		return b.workspaceRequest(token, []string{http.MethodGet, http.MethodPut}[i%2], 1+i*7919%backedUp)
	}
	var before result
	for range 2 { // the first one warms up
		if before, err = b.hammer(web, readers, ask); err != nil {
			return err
		}
	}
	file := filepath.Join(b.server.dir, "backup.tar")
	var ended atomic.Bool
	var took time.Duration
	failed := make(chan error, 1)
	go func() {
		defer ended.Store(true)
		begin := time.Now()
		failed <- b.berth(ctx, nil, "admin", "backup", file)
		took = time.Since(begin)
	}()
	during, err := b.hammerUntil(func(time.Duration) bool { return ended.Load() }, web, readers, ask)
	if err = errors.Join(err, <-failed); err != nil {
		return err
	}
	info, err := os.Stat(file)
	if err != nil {
		return err
	}
	row(fmt.Sprintf("backup of %d resources, with its verification", backedUp), seconds(took), "")
	row("    its size", fmt.Sprintf("%.0f MB", float64(info.Size())/1e6), "")
	row(fmt.Sprintf("GET and PUT, %d clients, before", readers), fmt.Sprintf("%.0f/s", before.perSecond), "")
	row("    p50, p99, slowest", fmt.Sprintf("%.1f, %.1f, %.1f ms", ms(before.p50), ms(before.p99), ms(before.max)), "")
	row("the same during the backup", fmt.Sprintf("%.0f/s", during.perSecond), "")
	row("    p50, p99, slowest", fmt.Sprintf("%.1f, %.1f, %.1f ms", ms(during.p50), ms(during.p99), ms(during.max)), "")
	row("    slowest ÷ p99 before", fmt.Sprintf("%.1f", during.max.Seconds()/before.p99.Seconds()), "at most 3")
	return nil
}

// workspaceRequest reads or writes one of many workspaces.
func (b *bench) workspaceRequest(token, method string, i int64) (*http.Request, error) {
	c := b.server.client
	address := c.Endpoint() + client.Path(c.ID(group, berth.TypeWorkspace, fmt.Sprintf("many%d", i))) + "?api-version=2024-04-01"
	var body []byte
	if method == http.MethodPut {
		body = fmt.Appendf(nil, `{"location":"westeurope","tags":{"at":"%d"}}`, time.Now().UnixNano())
	}
	return request(method, address, token, body)
}
