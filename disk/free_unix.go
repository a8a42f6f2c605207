//go:build linux || darwin

package disk

import "syscall"

// Free is how many bytes programs without rights may still write to the disk of a folder, and how many it has in all.
func Free(dir string) (free, all int64, err error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, 0, err
	}
	block := int64(s.Bsize)                                      //nolint:unconvert // it has another type elsewhere
	return int64(s.Bavail) * block, int64(s.Blocks) * block, nil // #nosec G115 -- no disk has 2^63 bytes
}
