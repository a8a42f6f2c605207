package local

import "syscall"

// childAttributes keeps the terminal's Ctrl-C from the child.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: syscall.CREATE_NEW_PROCESS_GROUP}
}
