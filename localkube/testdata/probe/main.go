// Command probe is the program of the image that tests run in pods: each word is something that a container does.
package main

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	args := os.Args[1:]
	if filepath.Base(os.Args[0]) == "tar" {
		args = append([]string{"tar"}, args...)
	}
	if len(args) == 0 {
		args = []string{"serve"}
	}
	word := words[args[0]]
	if word == nil {
		fmt.Fprintln(os.Stderr, "unknown word", args[0])
		os.Exit(2)
	}
	if err := word(args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

var words = map[string]func([]string) error{
	"serve": serve, "wait": wait, "burn": burn, "eat": eat, "fork": fork, "write": write, "cat": cat, "tar": untar, "tty": tty,
	"echo": echo, "get": get, "lookup": lookup, "udp": udp, "ask": ask, "both": both,
	"exit":   func(a []string) error { return exitWith(a[0]) },
	"true":   func([]string) error { return nil },
	"remove": func(a []string) error { return os.Remove(a[0]) },
}

// until is done when the container is told to end.
func until() context.Context {
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	return ctx
}

// serve answers with the name of its pod and the address of the caller; /file?NAME says whether a file is there.
func serve([]string) error {
	name, _ := os.Hostname()
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprintf(w, "%s %s\n", name, host)
		fmt.Println("asked for", r.URL.Path)
	})
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		if _, err := os.Stat(r.URL.RawQuery); err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
		}
	})
	server := &http.Server{Addr: ":8080", Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { <-until().Done(); _ = server.Shutdown(context.Background()) }()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func wait([]string) error { <-until().Done(); return nil }

// burn keeps one core busy.
func burn([]string) error {
	ctx, n := until(), uint64(0)
	for ctx.Err() == nil {
		for range 1 << 20 {
			n = n*31 + 7
		}
	}
	fmt.Println(n)
	return nil
}

// eat takes that many MiB and keeps them.
func eat(a []string) error {
	n, err := strconv.Atoi(a[0])
	if err != nil {
		return err
	}
	var kept [][]byte
	for range n {
		page := make([]byte, 1<<20)
		for i := range page {
			page[i] = byte(i)
		}
		kept = append(kept, page)
	}
	fmt.Println("ate", len(kept))
	return wait(nil)
}

// fork makes processes until it may not; then it says how many there are, and waits. They are copies that do nothing: thousands of them
// need little memory.
func fork([]string) error {
	for n := 0; ; n++ {
		pid, _, e := syscall.RawSyscall(syscall.SYS_CLONE, uintptr(syscall.SIGCHLD), 0, 0)
		if e != 0 {
			fmt.Printf("%d made, then: %v\n", n, e)
			return wait(nil)
		}
		for pid == 0 { // a copy
			_, _, _ = syscall.RawSyscall6(syscall.SYS_PPOLL, 0, 0, 0, 0, 0, 0)
		}
	}
}

func write(a []string) error { return os.WriteFile(a[0], []byte(strings.Join(a[1:], " ")), 0o600) }

// cat prints files, or standard input.
func cat(a []string) error {
	if len(a) == 0 {
		_, err := io.Copy(os.Stdout, os.Stdin)
		return err
	}
	for _, name := range a {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if _, err := os.Stdout.Write(text); err != nil {
			return err
		}
	}
	return nil
}

// untar knows what kubectl cp asks for: "xmf - -C FOLDER" and "cf - FILE".
func untar(a []string) error {
	if strings.HasPrefix(a[0], "c") {
		text, err := os.ReadFile(a[len(a)-1])
		if err != nil {
			return err
		}
		w := tar.NewWriter(os.Stdout)
		if err := w.WriteHeader(&tar.Header{Name: strings.TrimPrefix(a[len(a)-1], "/"), Mode: 0o644, Size: int64(len(text))}); err != nil {
			return err
		}
		_, err = w.Write(text)
		return errors.Join(err, w.Close())
	}
	for r := tar.NewReader(os.Stdin); ; {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		text, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if h.Typeflag == tar.TypeReg {
			if err := os.WriteFile(filepath.Join(a[len(a)-1], h.Name), text, 0o644); err != nil {
				return err
			}
		}
	}
}

// tty says how large its terminal is, as soon as somebody has said so.
func tty([]string) error {
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	for {
		var size struct{ rows, columns, x, y uint16 }
		_, _, e := syscall.Syscall(syscall.SYS_IOCTL, 1, syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&size)))
		if e != 0 {
			return fmt.Errorf("no terminal: %w", e)
		}
		if size.rows > 0 {
			fmt.Printf("%d rows, %d columns\n", size.rows, size.columns)
			return nil
		}
		<-changed
	}
}

// echo repeats what it reads, line by line.
func echo([]string) error {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println("echo:", lines.Text())
	}
	return wait(nil)
}

func get(a []string) error {
	c := &http.Client{Timeout: 3 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := c.Get(a[0])
	if err != nil {
		return err
	}
	defer func() { _ = r.Body.Close() }()
	_, err = io.Copy(os.Stdout, r.Body)
	return err
}

func lookup(a []string) error {
	found, err := net.DefaultResolver.LookupHost(context.Background(), a[0])
	fmt.Println(strings.Join(found, " "))
	return err
}

// udp answers datagrams with the name of its pod.
func udp([]string) error {
	name, _ := os.Hostname()
	c, err := net.ListenPacket("udp", ":8080")
	if err != nil {
		return err
	}
	go func() { <-until().Done(); _ = c.Close() }()
	buffer := make([]byte, 100)
	for {
		_, from, err := c.ReadFrom(buffer)
		if err != nil {
			return nil
		}
		if _, err := c.WriteTo([]byte(name), from); err != nil {
			return err
		}
	}
}

// both serves by TCP and answers datagrams.
func both([]string) error {
	failed := make(chan error, 2)
	go func() { failed <- serve(nil) }()
	go func() { failed <- udp(nil) }()
	return errors.Join(<-failed, <-failed)
}

// ask sends a datagram from a port of its own choice and prints the answer.
func ask(a []string) error {
	local, err := net.ResolveUDPAddr("udp", ":"+a[1])
	if err != nil {
		return err
	}
	c, err := (&net.Dialer{LocalAddr: local}).Dial("udp", a[0])
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	if _, err := c.Write([]byte("?")); err != nil {
		return err
	}
	buffer := make([]byte, 100)
	n, err := c.Read(buffer)
	fmt.Println(string(buffer[:n]))
	return err
}

func exitWith(code string) error {
	n, err := strconv.Atoi(code)
	if err != nil {
		return err
	}
	os.Exit(n)
	return nil
}
