package main

import (
	"net"
	"os"
)

// notifyReady tells systemd that a unit of the type notify is ready (sd_notify(3)). Without systemd it does nothing.
func notifyReady() error {
	path := os.Getenv("NOTIFY_SOCKET")
	if path == "" {
		return nil
	}
	to, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: path, Net: "unixgram"}) // "@" begins an abstract name in both
	if err != nil {
		return err
	}
	_, err = to.Write([]byte("READY=1"))
	if e := to.Close(); err == nil {
		err = e
	}
	return err
}
