// Command hello is the program of the image berth.dev/hello: a server that shows which pod it is and where it runs, and for tries
// from inside a pod a client (hello get URL) and a writer (hello write FILE).
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	run := serve
	if len(os.Args) == 3 {
		switch of := os.Args[2]; os.Args[1] {
		case "get":
			run = func() error { return get(of) }
		case "write":
			run = func() error { return os.WriteFile(of, []byte(time.Now().Format(time.RFC3339)+"\n"), 0o600) }
		}
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve answers until it is told to end; then it goes on for as long as requests are under way.
func serve() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	pod, err := os.Hostname()
	if err != nil {
		return err
	}
	answer := func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello from the pod %s on the node %s.\n", pod, os.Getenv("NODE_NAME"))
		fmt.Printf("%s %s from %s\n", r.Method, r.URL.Path, r.RemoteAddr)
	}
	port := cmp.Or(os.Getenv("PORT"), "8080")
	server := &http.Server{Addr: ":" + port, ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(answer)}
	go func() {
		<-ctx.Done()
		_ = server.Shutdown(context.Background())
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// get prints what an address answers.
func get(url string) error {
	r, err := (&http.Client{Timeout: 10 * time.Second}).Get(url) // #nosec: the user's own wish
	if err != nil {
		return err
	}
	defer func() { _ = r.Body.Close() }()
	_, err = io.Copy(os.Stdout, r.Body)
	return err
}
