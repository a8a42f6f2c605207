package main

import (
	"context"
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

	etcdData = "etcd"
	// etcdUnfinished is there while etcd starts for the first time. Killed then, it may leave a log without a member,
	// which never elects a leader again; nothing is stored yet, so a start that finds the mark begins anew.
	etcdUnfinished = "etcd.unfinished"
)

// startEtcd starts the database and answers when it is ready.
func startEtcd(ctx context.Context, logLevel int) (*embed.Etcd, error) {
	for _, socket := range []string{etcdClientSocket, etcdPeerSocket} {
		if err := os.Remove(socket); err != nil && !os.IsNotExist(err) { // left by a process that was killed
			return nil, err
		}
	}
	if err := prepareEtcdData(); err != nil {
		return nil, folderFault(err)
	}
	e, err := embed.StartEtcd(etcdConfig(logLevel))
	if err != nil {
		return nil, err
	}
	select {
	case <-e.Server.ReadyNotify():
		err = folderFault(finishEtcdData())
	case <-time.After(etcdStartLimit):
		err = fmt.Errorf("it did not start within %v", etcdStartLimit)
	case err = <-e.Err():
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		within(etcdPatience, e.Close)
		return nil, err
	}
	return e, nil
}

func etcdConfig(logLevel int) *embed.Config {
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir = "berth", etcdData
	cfg.LogLevel, cfg.LogOutputs = "panic", []string{"stderr"} // it reports each closed listener of a normal stop as an error
	if logLevel > 0 {
		cfg.LogLevel = "warn"
	}
	client, peer := url.URL{Scheme: "unix", Host: etcdClientSocket}, url.URL{Scheme: "unix", Host: etcdPeerSocket}
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.TickMs, cfg.ElectionMs = 10, 50 // one member: the election is only a wait
	return cfg
}

func prepareEtcdData() error {
	unfinished, err := exists(etcdUnfinished)
	if err != nil {
		return err
	}
	if unfinished {
		if err := os.RemoveAll(etcdData); err != nil {
			return err
		}
		return syncDir(".")
	}
	made, err := exists(etcdData)
	if err != nil || made {
		return err
	}
	return writeFile(etcdUnfinished, nil)
}

func finishEtcdData() error {
	if err := os.Remove(etcdUnfinished); err != nil && !os.IsNotExist(err) {
		return err
	}
	return syncDir(".")
}
