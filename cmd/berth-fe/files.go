package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/jonboulle/clockwork"
	"github.com/spf13/pflag"

	"berth.dev/berth/bundle"
)

// commands are what this program does besides routing: it is the one program of Berth in a cluster.
var commands = map[string]func(ctx context.Context, args []string, log *slog.Logger) error{"files": serveFiles, "fetch": fetchFiles}

// serveFiles keeps the files of models for the pods of the cluster.
func serveFiles(ctx context.Context, args []string, log *slog.Logger) error {
	f := pflag.NewFlagSet("berth-fe files", pflag.ExitOnError)
	address := f.String("http", ":8100", "where to serve")
	dir := f.String("dir", "/files", "the folder of the files")
	_ = f.Parse(args) // it exits itself
	store, err := bundle.OpenStore(*dir, os.Getenv("BERTH_FILES_TOKEN"), clockwork.NewRealClock())
	if err != nil {
		return err
	}
	server := &http.Server{Addr: *address, Handler: store.Handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		stopped <- server.Shutdown(end)
	}()
	log.Info("berth-fe files", "version", version, "http", *address, "dir", *dir)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

// fetchFiles brings the files of a model into its pod.
func fetchFiles(ctx context.Context, args []string, log *slog.Logger) error {
	f := pflag.NewFlagSet("berth-fe fetch", pflag.ExitOnError)
	path := f.String("list", "/berth/files.json", "the list of files")
	dir := f.String("to", "/var/azureml-app", "the folder for the files")
	_ = f.Parse(args) // it exits itself
	text, err := os.ReadFile(*path)
	if err != nil {
		return err
	}
	list := &bundle.List{}
	if err := json.Unmarshal(text, list); err != nil {
		return fmt.Errorf("the list of files is not JSON: %w", err)
	}
	start := time.Now()
	if err := bundle.Fetch(ctx, list, *dir); err != nil {
		return err
	}
	log.Info("all files are here", "files", len(list.Files), "took", time.Since(start).Round(time.Millisecond).String())
	return nil
}
