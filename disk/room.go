package disk

import "fmt"

// Size writes a number of bytes for people.
func Size(n int64) string {
	const kilo = 1000
	if n < kilo {
		return fmt.Sprintf("%d B", n)
	}
	value, units := float64(n)/kilo, "kMGTPE"
	for value >= kilo && len(units) > 1 {
		value, units = value/kilo, units[1:]
	}
	return fmt.Sprintf("%.1f %cB", value, units[0])
}

// Fits reports whether the disk of a folder has room for so many bytes more and spare bytes besides, and how many it has. Without spare
// bytes, and where the room is not known, it is left to the disk.
func Fits(dir string, more, spare int64) (free int64, fits bool) {
	if spare <= 0 {
		return 0, true
	}
	free, _, err := Free(dir)
	return free, err != nil || free-more >= spare
}
