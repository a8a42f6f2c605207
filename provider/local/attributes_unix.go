//go:build unix && !linux

package local

import "syscall"

// childAttributes keeps the terminal's Ctrl-C from the child: the server stops it in order.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
