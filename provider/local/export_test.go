package local

// StartTime is when a process started, for tests that leave one behind.
func StartTime(pid int) string {
	s, _ := startTime(pid)
	return s
}
