package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/kube"
)

// record is what is written down of a cluster before anything is made: after a crash the work goes on from here.
type record struct {
	ID       berth.ID          `json:"id"`
	Spec     berth.ClusterSpec `json:"spec"`
	Port     int               `json:"port"`
	Removing bool              `json:"removing,omitempty"`
	nodesChoice
}

// options are what berth-kube is started with, besides its folder and port. Records from before a field existed mean its default,
// which is what those clusters were created with.
type options struct {
	version, issuer string
	host            string // name by which clients reach the API server from elsewhere
	real            bool
	entra, noLocal  bool // of berth.ClusterAccess
	ranges          berth.ClusterNetwork
}

func (r record) options() (options, error) {
	ranges, err := kube.Ranges(r.Spec.Network)
	access := r.Spec.Access()
	return options{version: catalog.Minor(r.Spec.Version), issuer: r.Spec.IssuerURL, host: r.host(), real: r.Real, entra: access.Entra,
		noLocal: access.NoLocal, ranges: ranges}, err
}

// host is the cluster's name (FQDN) in lower case. No resolver knows it unless an operator tells it: clients send it as the TLS server
// name, by which the server's front door finds the cluster.
func (r record) host() string {
	name := folder(r.ID)
	return strings.ToLower(fmt.Sprintf("%s-%s%s", r.Spec.DNSPrefix, name[len(name)-8:], HostSuffix))
}

// HostSuffix is what the names of all local clusters end with.
const HostSuffix = ".berth.internal"

func (o options) args() []string {
	args := []string{"--kubernetes-version", o.version, "--service-cidr", o.ranges.ServiceCIDR, "--pod-cidr", o.ranges.PodCIDR,
		"--dns-service-ip", o.ranges.DNSServiceIP, "--host", o.host}
	if o.issuer != "" {
		args = append(args, "--service-account-issuer", o.issuer)
	}
	if o.noLocal {
		args = append(args, "--local-accounts", "none")
	}
	return args
}

// process is a running berth-kube: its pid, and its start time so that a pid used again is not taken for it.
type process struct {
	PID     int    `json:"pid"`
	Started string `json:"started"`
}

func readRecord(dir string) (record, error) {
	var r record
	err := readJSON(filepath.Join(dir, "cluster.json"), &r)
	return r, err
}

func writeRecord(dir string, r record) error {
	if err := os.Mkdir(dir, 0o700); err == nil {
		syncDir(filepath.Dir(dir))
	} else if !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("the cluster's folder cannot be made: %w", err)
	}
	return writeJSON(filepath.Join(dir, "cluster.json"), r)
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s is damaged: %w", path, err)
	}
	return nil
}

// writeJSON writes a file whole or not at all.
func writeJSON(path string, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already when all went well
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	syncDir(filepath.Dir(path))
	return nil
}

// syncDir makes a change of names in a folder outlast a power cut, where the system can do that.
func syncDir(path string) {
	if d, err := os.Open(path); err == nil { // #nosec: a folder of ours
		_ = d.Sync()
		_ = d.Close()
	}
}

// steadyPorts are tried first: the system gives them to no outgoing connection, so that a cluster that was stopped finds
// its port free again. Everybody who is attached to it knows it by its port.
const steadyFirst, steadyCount = 20_000, 10_000

// steadyPort is a loopback port of those, if it is free at this moment.
func steadyPort() (int, bool) {
	port := steadyFirst + rand.IntN(steadyCount) // #nosec: not a secret
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return 0, false
	}
	return port, l.Close() == nil
}

// kernelPort asks for a loopback port that is free at this moment.
func kernelPort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// reap ends the process that an earlier server started in this folder, if it still runs.
func reap(dir string) error {
	path := filepath.Join(dir, "process.json")
	var p process
	if err := readJSON(path, &p); err != nil {
		if !errors.Is(err, os.ErrNotExist) { // half written: it was never started, or cannot be found
			return os.Remove(path)
		}
		return nil
	}
	if started, ok := startTime(p.PID); ok && started == p.Started {
		if err := killAndWait(p); err != nil {
			return err
		}
	}
	return os.Remove(path)
}
