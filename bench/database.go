package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

// database compares servers on PostgreSQL with one on SQLite, turn by turn: GET and PUT, from one client and from 32. It needs an empty
// database in BERTH_BENCH_DATABASE.
func (b *bench) database(ctx context.Context) error {
	address := os.Getenv("BERTH_BENCH_DATABASE")
	if address == "" {
		row("PostgreSQL ÷ SQLite", "left out", "")
		fmt.Println("    set BERTH_BENCH_DATABASE to the URL of an empty PostgreSQL database")
		return nil
	}
	if err := os.Setenv("BERTH_DATABASE", address); err != nil {
		return err
	}
	other, err := startServer(ctx, b.bin)
	if err != nil {
		return err
	}
	defer other.stop()
	if err := os.Unsetenv("BERTH_DATABASE"); err != nil {
		return err
	}
	second := &bench{server: other, bin: b.bin, window: b.window, rounds: b.rounds}
	for _, l := range []struct {
		name string
		ask  func(b *bench, token string) func(i int64) (*http.Request, error)
	}{{"GET workspace", getWorkspace}, {"PUT workspace", putWorkspace}} {
		for _, clients := range []int{1, 32} {
			var of [2]result
			for i, one := range []*bench{b, second} {
				token, err := one.token(ctx)
				if err != nil {
					return err
				}
				web, err := one.httpClient()
				if err != nil {
					return err
				}
				if of[i], err = one.hammer(web, clients, l.ask(one, token)); err != nil {
					return err
				}
			}
			row(fmt.Sprintf("%s, %d client(s): SQLite, PostgreSQL", l.name, clients),
				fmt.Sprintf("%.0f/s, %.0f/s", of[0].perSecond, of[1].perSecond), "")
			row("    p50", fmt.Sprintf("%.2f ms, %.2f ms", ms(of[0].p50), ms(of[1].p50)), "")
			row("    ratio", fmt.Sprintf("%.2f", of[1].perSecond/of[0].perSecond), "")
		}
	}
	return nil
}

func getWorkspace(b *bench, token string) func(int64) (*http.Request, error) {
	c := b.server.client
	address := c.Endpoint() + client.Path(c.ID(group, berth.TypeWorkspace, workspace)) + "?api-version=2024-04-01"
	return func(int64) (*http.Request, error) { return request(http.MethodGet, address, token, nil) }
}

func putWorkspace(b *bench, token string) func(int64) (*http.Request, error) {
	c := b.server.client
	return func(i int64) (*http.Request, error) {
		address := c.Endpoint() + client.Path(c.ID(group, berth.TypeWorkspace, fmt.Sprintf("load%d", i%500))) + "?api-version=2024-04-01"
		return request(http.MethodPut, address, token, fmt.Appendf(nil, `{"location":"westeurope","tags":{"turn":"%d"}}`, i))
	}
}
