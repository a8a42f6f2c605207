package main

import (
	"fmt"
	"net/url"
	"os"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

// Etcd listens on sockets in the cluster's folder, which only its owner can enter: over TCP every user of the machine
// could read the cluster's secrets out of it.
const (
	etcdClientSocket = "etcd.sock"
	etcdPeerSocket   = "etcd-peer.sock"
	etcdStartLimit   = 60 * time.Second
)

func startEtcd() (*embed.Etcd, error) {
	for _, socket := range []string{etcdClientSocket, etcdPeerSocket} {
		if err := os.Remove(socket); err != nil && !os.IsNotExist(err) { // left by a process that was killed
			return nil, err
		}
	}
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir = "berth", "etcd"
	cfg.LogLevel, cfg.LogOutputs = "error", []string{"stderr"}
	client, peer := url.URL{Scheme: "unix", Host: etcdClientSocket}, url.URL{Scheme: "unix", Host: etcdPeerSocket}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.TickMs, cfg.ElectionMs = 10, 50 // one member: the election is only a wait
	cfg.AutoCompactionMode, cfg.AutoCompactionRetention = "periodic", "10m"
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, err
	}
	select {
	case <-e.Server.ReadyNotify():
		return e, nil
	case <-time.After(etcdStartLimit):
		e.Close()
		return nil, fmt.Errorf("it did not start within %v", etcdStartLimit)
	case err := <-e.Err():
		return nil, err
	}
}
