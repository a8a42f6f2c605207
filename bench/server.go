package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

const (
	group, workspace = "bench-rg", "bench-ws"
	size             = "Standard_D3_v2"
)

// server is a `berth serve` of our own.
type server struct {
	cmd    *exec.Cmd
	dir    string
	client *client.Client
	creds  client.Credentials
}

func startServer(ctx context.Context, bin string, more ...string) (*server, error) {
	dir, err := os.MkdirTemp("", "berth-bench-")
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return nil, err
	}
	s := &server{dir: dir}
	s.cmd = exec.Command(filepath.Join(bin, "berth"),
		append([]string{"serve", "--data-dir", dir, "--listen", address, "--debug-listen", "off", "--nodes", "simulated"}, more...)...)
	log, err := os.Create(filepath.Join(dir, "serve.log"))
	if err != nil {
		return nil, err
	}
	s.cmd.Stderr = log
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("%w; run 'make build' first", err)
	}
	if err := s.login(ctx); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// login waits for the server and makes the workspace that everything happens in.
func (s *server) login(ctx context.Context) error {
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		var err error
		if s.creds, err = client.CredentialsIn(s.dir); err == nil {
			if s.client, err = client.New(client.Options{Credentials: s.creds, PollMax: 20 * time.Millisecond}); err == nil {
				if _, err = s.client.CreateGroup(ctx, group, "westeurope", nil); err == nil {
					break
				}
			}
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the server does not come up: %w", err)
		}
	}
	_, err := s.client.CreateWorkspace(ctx, group, workspace, "westeurope")
	return err
}

// stop ends the server with its clusters and removes what it kept.
func (s *server) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
	_ = s.cmd.Wait()
	_ = os.RemoveAll(s.dir)
}

func compute(name string) client.ComputeName {
	return client.ComputeName{Group: group, Workspace: workspace, Name: name}
}

// wait follows an operation to its end.
func (s *server) wait(ctx context.Context, op *client.Operation, err error) error {
	if err != nil {
		return err
	}
	return s.client.Wait(ctx, op, nil)
}

func (s *server) createCompute(ctx context.Context, name string) error {
	_, op, err := s.client.PutCompute(ctx, compute(name), client.ComputeRequest{}.Body(s.client.Subscription()))
	return s.wait(ctx, op, err)
}

func (s *server) deleteCompute(ctx context.Context, name, action string) error {
	op, err := s.client.DeleteCompute(ctx, compute(name), action)
	return s.wait(ctx, op, err)
}

func (s *server) createCluster(ctx context.Context, name string) error {
	_, op, err := s.client.PutCluster(ctx, group, name, client.Object{"location": "westeurope", "properties": client.Object{
		"agentPoolProfiles": []client.Object{{"name": "pool", "count": 1, "vmSize": size, "mode": "System"}}}})
	return s.wait(ctx, op, err)
}

func (s *server) attach(ctx context.Context, name client.ComputeName, cluster string) error {
	id := s.client.ID(group, berth.TypeCluster, cluster).String()
	body := client.ComputeRequest{ClusterID: id, Purpose: berth.DevTest}.Body(s.client.Subscription())
	_, op, err := s.client.PutCompute(ctx, name, body)
	return s.wait(ctx, op, err)
}

// resident is the resident memory of a process in MiB.
func resident(pid int) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
			kib, err := strconv.Atoi(f[1])
			return float64(kib) / 1024, err
		}
	}
	return 0, errors.New("no VmRSS")
}

// cpuTime is the processor time that a process has used.
func cpuTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	f := strings.Fields(string(text)[strings.LastIndex(string(text), ")")+2:])
	user, err1 := strconv.Atoi(f[11])
	system, err2 := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond, errors.Join(err1, err2)
}

// children lists the berth-kube processes of this server.
func (s *server) children() ([]int, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil, err
	}
	var out []int
	for _, path := range dirs {
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), filepath.Join(s.dir, "clusters")) {
			continue
		}
		if pid, err := strconv.Atoi(strings.Split(path, "/")[2]); err == nil {
			out = append(out, pid)
		}
	}
	return out, nil
}
