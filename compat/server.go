package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// server is a `berth serve` for one client, and the environment that `berth env` makes for it.
type server struct {
	cmd   *exec.Cmd
	berth string // the program
	dir   string
	env   []string
}

func startServer(ctx context.Context, root string) (*server, error) {
	dir, err := os.MkdirTemp("", "berth-compat-")
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, berth: filepath.Join(root, "bin", "berth")}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(filepath.Join(dir, "serve.log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	data := filepath.Join(dir, "data")
	s.cmd = exec.Command(s.berth, "serve", "--data-dir", data, "--listen", address, "--debug-listen", "off", "--nodes", "simulated")
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for us; the server is stopped in order
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if err := s.environment(ctx, data); err != nil {
		err = fmt.Errorf("%w; the server's log:\n%s", err, s.tail())
		s.stop()
		return nil, err
	}
	return s, nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// environment waits for the server and asks for the environment that a user would eval. The caller's own Azure settings
// are left out, and the clients write their files into a home folder of their own.
func (s *server) environment(ctx context.Context, data string) error {
	home := filepath.Join(s.dir, "home")
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	base := []string{"HOME=" + home, "PATH=" + filepath.Dir(s.berth) + string(os.PathListSeparator) + os.Getenv("PATH"),
		"BERTH_DATA_DIR=" + data, "LANG=C.UTF-8"}
	for _, name := range []string{"GOPATH", "GOCACHE", "GOMODCACHE", "GOFLAGS", "GOPROXY", "GOSUMDB"} {
		out, err := exec.CommandContext(ctx, "go", "env", name).Output()
		if err != nil {
			return err
		}
		base = append(base, name+"="+strings.TrimSpace(string(out)))
	}
	var last error
	for deadline := time.Now().Add(5 * time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		show := exec.CommandContext(ctx, s.berth, "group", "list", "-o", "none")
		show.Env = base
		if out, err := show.CombinedOutput(); err != nil {
			last = errors.New(strings.TrimSpace(string(out)))
			continue
		}
		print := exec.CommandContext(ctx, s.berth, "env", "--shell", "json")
		print.Env = base
		out, err := print.Output()
		if err != nil {
			return err
		}
		vars := map[string]string{}
		if err := json.Unmarshal(out, &vars); err != nil {
			return err
		}
		s.env = append(base, "BERTH_TEST_ENDPOINT="+vars["AZURE_AUTHORITY_HOST"])
		for k, v := range vars {
			s.env = append(s.env, k+"="+v)
		}
		return nil
	}
	return fmt.Errorf("the server does not come up: %w", last)
}

// tail is the end of the server's log.
func (s *server) tail() string {
	text, _ := os.ReadFile(filepath.Join(s.dir, "serve.log"))
	return string(text[max(0, len(text)-4000):])
}

// stop ends the server with its clusters and removes everything it kept.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
	_ = s.cmd.Wait()
	_ = os.RemoveAll(s.dir)
}
