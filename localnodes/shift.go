package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// partHold does nothing until its standard input ends: it is there for its user namespace.
const partHold = "hold"

func hold(settings) error {
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// shift mounts a folder at a place, read-only, so that the ids that own its files appear as those that begin at base. The kernel and the
// file system must know such mounts (Linux 5.19 for layers; ext4, xfs, btrfs).
func shift(folder, to string, base int) (err error) {
	had, err := owner(folder)
	if err != nil {
		return err
	}
	ids, end, err := idNamespace(had, base)
	if err != nil {
		return fmt.Errorf("the ids of the shared layers: %w", err)
	}
	defer func() { err = errors.Join(err, ids.Close(), end()) }()
	tree, err := unix.OpenTree(unix.AT_FDCWD, folder, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC)
	if err != nil {
		return fmt.Errorf("the shared layers cannot be mounted: %w", err)
	}
	defer func() { _ = unix.Close(tree) }()
	attributes := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_IDMAP | unix.MOUNT_ATTR_RDONLY, Userns_fd: uint64(ids.Fd())}
	if err := unix.MountSetattr(tree, "", unix.AT_EMPTY_PATH, &attributes); err != nil {
		return fmt.Errorf("the file system of the shared layers cannot show them with other owners: %w", err)
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	return unix.MoveMount(tree, "", unix.AT_FDCWD, to, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// idNamespace is a user namespace in which ids that begin at from are those outside that begin at to. end ends the process that is in it.
func idNamespace(from, to int) (ns *os.File, end func() error, err error) {
	cmd := exec.Command("/proc/self/exe", partHold, "--dir", "/", "--bin", "/", "--kube", "/")
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	ids := []syscall.SysProcIDMap{{ContainerID: from, HostID: to, Size: idCount}}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER, UidMappings: ids, GidMappings: ids, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, nil, errors.Join(err, in.Close())
	}
	end = func() error { return errors.Join(in.Close(), cmd.Wait()) }
	if ns, err = os.Open(fmt.Sprintf("/proc/%d/ns/user", cmd.Process.Pid)); err != nil {
		return nil, nil, errors.Join(err, end())
	}
	return ns, end, nil
}
